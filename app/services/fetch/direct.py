"""A file at an address: one guarded request tells what it is, and is the beginning of it.

That request asks for the first part alone. A site that knows ranges answers 206, and connections can share the rest;
one that does not answers 200, and the file is read as one stream.

Every byte is counted against the cap; a body shorter than its Content-Length is a failure (RFC 9110, section 8.6).
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urljoin

from app.core.config import MIB
from app.core.media_errors import (
    EmptyContentError,
    ExpiredAddressError,
    FetchTimeoutError,
    InvalidLinkError,
    LinkNotFoundError,
    LoginRequiredError,
    NotMediaError,
    RateLimitedError,
    ServerFaultError,
    SourceChangedError,
    TooLargeError,
    TruncatedError,
    UnsupportedLinkError,
)
from app.services.fetch.exchange import Exchange, Limits, OnOpen, Opening
from app.services.fetch.filename import clean_filename, display_filename
from app.services.fetch.found import FoundFile, headers_after_redirect
from app.services.fetch.guard import Guard, check_link, check_redirect
from app.services.fetch.ranged import RangedFile, given_range
from app.services.fetch.ranges import Version, content_range, range_headers, strong_validator
from app.services.fetch.sniff import HEAD_BYTES, MediaType, sniff
from app.services.fetch.source import Source

_MANIFEST_HEADS = (b"#EXTM3U", b"<?xml", b"<MPD")
_MANIFEST_TYPES = ("mpegurl", "dash+xml", "svg")

_FIRST_BYTES = 8 * MIB
"""What the first request asks for: a part of an upload, as long as the file needs no larger ones."""


def open_direct(
    url: str, guard: Guard, limits: Limits, on_open: OnOpen = lambda _: None, *, ranges: bool = True
) -> Source | None:
    """The media at the link; None where there is a page (or a manifest) that an extractor must read.

    `on_open` is as in `Opening`; without `ranges` the file is one stream. Raises the `link.*`, `fetch.*`, `content.*`
    and `media.not_media` errors.
    """
    try:
        return _open(url, Opening(guard, limits, on_open), ranges=ranges)
    except ExpiredAddressError:  # an extractor may be let in
        return None


def open_found(file: FoundFile, opening: Opening, *, ranges: bool = True) -> Source:
    """The file that an extractor found. Raises as `open_direct` does, within `expiring`."""
    with expiring():
        source = _open(file.url, replace(opening, headers=file.headers), ranges=ranges)
    if source is None:
        raise NotMediaError
    return replace(source, filename=clean_filename(file.title, source.media_type.extension), extracted=True)


@contextmanager
def expiring() -> Iterator[None]:
    """An address that a page gave: what is wrong with it now may be right with the next one that the page gives."""
    try:
        yield
    except (LinkNotFoundError, LoginRequiredError) as error:
        raise ExpiredAddressError from error


def _open(url: str, opening: Opening, *, ranges: bool) -> Source | None:
    deadline = time.monotonic() + opening.limits.total_seconds
    exchange = _first_answer(url, opening) if ranges else _follow(url, opening, {})
    try:
        source = _source_of(exchange, opening, deadline)
    except BaseException:
        exchange.close()
        raise
    if source is None:
        exchange.close()
    return source


def reopen(url: str, opening: Opening, version: Version, start: int, stop: int) -> RangedFile | None:
    """The file that an earlier attempt began with, to go on from `start`; None where it is not that version any more.

    The first request asks for the bytes up to `stop`. Raises the `link.*` and `fetch.*` errors, and `TooLargeError`.
    """
    if version.length > opening.limits.max_bytes:
        raise TooLargeError
    deadline = time.monotonic() + opening.limits.total_seconds
    exchange = _follow(url, opening, range_headers(start, stop, version.validator))
    file = RangedFile(exchange.address, version, replace(opening, headers=exchange.headers), deadline)
    try:
        file.begin_with(exchange, given_range(exchange, start, version), ())
    except (SourceChangedError, ExpiredAddressError):
        exchange.close()
        return None
    except BaseException:
        exchange.close()
        raise
    opening.on_open(file.close)
    return file


def _first_answer(url: str, opening: Opening) -> Exchange:
    """The answer to the first part's range, or to a plain request where that range does not serve."""
    exchange = _follow(url, opening, range_headers(0, _FIRST_BYTES))
    if exchange.response.status == 416 or (exchange.response.status == 206 and not _is_usable(exchange)):
        exchange.close()
        return _follow(url, opening, {})
    return exchange


def _is_usable(exchange: Exchange) -> bool:
    """Whether the range begins at the beginning, and the rest can be asked for, if there is any."""
    given = content_range(exchange.header("Content-Range"))
    if given is None or given.start > 0:
        return False
    return given.stop == given.total or strong_validator(exchange.response.headers) is not None


def _source_of(exchange: Exchange, opening: Opening, deadline: float) -> Source | None:
    _check_status(exchange)
    given = content_range(exchange.header("Content-Range")) if exchange.response.status == 206 else None
    length = given.total if given else exchange.length
    if length is not None and length > opening.limits.max_bytes:
        raise TooLargeError
    validator = strong_validator(exchange.response.headers)
    version = Version(validator, length) if validator and length is not None else None
    # What cannot be asked for in ranges must come whole with this answer.
    declared = given.stop if given and version else length
    chunks = _counted(exchange, declared, opening.limits, deadline)
    head, first = _head_of(chunks)
    media_type = _identify(head, exchange)
    if media_type is None:
        return None
    name = display_filename(exchange.address, exchange.header("Content-Disposition"), media_type.extension)
    if given is None or version is None:
        return Source(media_type, length, name, _joined(first, chunks), exchange.close, version=version)
    file = RangedFile(exchange.address, version, replace(opening, headers=exchange.headers), deadline)
    file.begin_with(exchange, given, first)
    opening.on_open(file.close)
    return Source(media_type, length, name, file.chunks(), file.close, version=version, ranged=file)


def _follow(url: str, opening: Opening, headers: Mapping[str, str]) -> Exchange:
    """The answer behind the redirects that the guard allows, each vetted anew; https never falls back to http."""
    address, own = check_link(url), opening.headers
    for _ in range(opening.guard.max_redirects + 1):
        exchange = Exchange(address, opening.guard, opening.limits, own)
        opening.on_open(exchange.close)
        try:
            exchange.send(headers)
            location = exchange.response.get_redirect_location()
            if not location:
                return exchange
            target = _absolute(address, location)
        except BaseException:
            exchange.close()
            raise
        exchange.close()
        check_redirect(address, target)
        address, own = target, headers_after_redirect(own, address, target)
    raise UnsupportedLinkError("It redirects too many times.")


def _absolute(address: str, location: str) -> str:
    try:
        return check_link(urljoin(address, location))
    except ValueError as error:
        raise InvalidLinkError from error


def _check_status(exchange: Exchange) -> None:
    """Raise unless there is content; `ExpiredAddressError` for a refusal that another address may not meet."""
    status = exchange.response.status
    if status in {404, 410}:
        raise LinkNotFoundError
    if status in {401, 407}:
        raise LoginRequiredError
    if status == 429:
        raise RateLimitedError(retry_after_seconds=exchange.number("Retry-After"))
    if status >= 500:
        raise ServerFaultError(f"(HTTP {status})")
    if status in {204, 205}:
        raise EmptyContentError
    if status not in {200, 203, 206}:
        raise ExpiredAddressError(f"(HTTP {status})")


def _counted(exchange: Exchange, declared: int | None, limits: Limits, deadline: float) -> Iterator[bytes]:
    """The body in pieces as they arrive, checked against cap, deadline and declared length."""
    count = 0
    while chunk := exchange.read():
        count += len(chunk)
        if count > limits.max_bytes:
            raise TooLargeError
        if time.monotonic() > deadline:
            raise FetchTimeoutError
        yield chunk
    if declared is not None and count < declared:
        raise TruncatedError(f"({count} of {declared} bytes came.)")


def _head_of(chunks: Iterator[bytes]) -> tuple[bytes, list[bytes]]:
    """Enough of the beginning to tell what it is, and the pieces it was taken from."""
    taken: list[bytes] = []
    while sum(map(len, taken)) < HEAD_BYTES and (chunk := next(chunks, b"")):
        taken.append(chunk)
    if not taken:
        raise EmptyContentError
    return b"".join(taken)[:HEAD_BYTES], taken


def _identify(head: bytes, exchange: Exchange) -> MediaType | None:
    """The type that the bytes show. Raises `NotMediaError` where only the header claims media."""
    media_type = sniff(head)
    if media_type is not None:
        return media_type
    declared = exchange.header("Content-Type").partition(";")[0].strip().lower()
    claims_media = declared.startswith(("video/", "audio/", "image/"))
    manifest = any(mark in declared for mark in _MANIFEST_TYPES) or head.lstrip().startswith(_MANIFEST_HEADS)
    if claims_media and not manifest:
        raise NotMediaError
    return None


def _joined(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from first
    yield from rest

"""A link that is the media itself: one guarded request, read as a stream.

Every byte is counted against the cap; a body shorter than its Content-Length is a failure (RFC 9110, section 8.6).
"""

import time
from collections.abc import Callable, Iterator
from urllib.parse import urljoin

from app.core.media_errors import (
    EmptyContentError,
    FetchTimeoutError,
    InvalidLinkError,
    LinkNotFoundError,
    LoginRequiredError,
    NotMediaError,
    RateLimitedError,
    ServerFaultError,
    TooLargeError,
    TruncatedError,
    UnsupportedLinkError,
)
from app.services.fetch.exchange import Exchange, Limits
from app.services.fetch.filename import display_filename
from app.services.fetch.guard import Guard, check_link, check_redirect
from app.services.fetch.sniff import HEAD_BYTES, MediaType, sniff
from app.services.fetch.source import Source

_MANIFEST_HEADS = (b"#EXTM3U", b"<?xml", b"<MPD")
_MANIFEST_TYPES = ("mpegurl", "dash+xml", "svg")

OnOpen = Callable[[Callable[[], None]], None]


def open_direct(url: str, guard: Guard, limits: Limits, on_open: OnOpen = lambda _: None) -> Source | None:
    """The media at the link; None where there is a page (or a manifest) that an extractor must read.

    `on_open` is given what ends the request under way, from any thread, before each is sent.
    Raises the `link.*`, `fetch.*`, `content.*` and `media.not_media` errors.
    """
    deadline = time.monotonic() + limits.total_seconds
    exchange = _follow(url, guard, limits, on_open)
    try:
        if not _has_content(exchange):
            exchange.close()
            return None
        chunks = _counted(exchange, limits, deadline)
        head, first = _head_of(chunks)
        media_type = _identify(head, exchange)
    except BaseException:
        exchange.close()
        raise
    if media_type is None:
        exchange.close()
        return None
    name = display_filename(exchange.address, exchange.header("Content-Disposition"), media_type.extension)
    return Source(media_type, exchange.length, name, _joined(first, chunks), exchange.close)


def _follow(url: str, guard: Guard, limits: Limits, on_open: OnOpen) -> Exchange:
    """The answer behind the redirects that the guard allows, each vetted anew; https never falls back to http."""
    address = check_link(url)
    for _ in range(guard.max_redirects + 1):
        exchange = Exchange(address, guard, limits)
        on_open(exchange.close)
        try:
            exchange.send()
            location = exchange.response.get_redirect_location()
            if not location:
                return exchange
            target = _absolute(address, location)
        except BaseException:
            exchange.close()
            raise
        exchange.close()
        check_redirect(address, target)
        address = target
    raise UnsupportedLinkError("It redirects too many times.")


def _absolute(address: str, location: str) -> str:
    try:
        return check_link(urljoin(address, location))
    except ValueError as error:
        raise InvalidLinkError from error


def _has_content(exchange: Exchange) -> bool:
    """True for content, False where an extractor may fare better. Raises for what no extractor can change."""
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
    return status in {200, 203}


def _counted(exchange: Exchange, limits: Limits, deadline: float) -> Iterator[bytes]:
    """The body in pieces as they arrive, checked against cap, deadline and declared length."""
    declared = exchange.length
    if declared is not None and declared > limits.max_bytes:
        raise TooLargeError
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

"""A link that is the media itself: one guarded request, read as a stream.

No transparent decoding (`Accept-Encoding: identity`), so that a compressed bomb stays small; every byte is counted
against the cap; a body shorter than its Content-Length is a failure (RFC 9110, section 8.6).
"""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from urllib3 import BaseHTTPResponse, HTTPResponse, Timeout
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from app.core.media_errors import (
    BlockedAddressError,
    ConnectionFailedError,
    EmptyContentError,
    FetchTimeoutError,
    InvalidLinkError,
    LinkNotFoundError,
    LoginRequiredError,
    NotMediaError,
    RateLimitedError,
    ServerFaultError,
    StalledError,
    TooLargeError,
    TruncatedError,
    UnsupportedLinkError,
)
from app.services.fetch.filename import display_filename
from app.services.fetch.guard import Guard, GuardedHTTPPool, GuardedHTTPSPool, check_link
from app.services.fetch.sniff import HEAD_BYTES, MediaType, sniff
from app.services.fetch.source import Source

USER_AGENT = "Mozilla/5.0 (compatible; Takeup)"
_CONNECT_TIMEOUT_SECONDS = 10.0
_MAX_REDIRECTS = 5
_CHUNK_BYTES = 256 * 1024
_HEADERS = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
_MANIFEST_HEADS = (b"#EXTM3U", b"<?xml", b"<MPD")
_MANIFEST_TYPES = ("mpegurl", "dash+xml", "svg")


@dataclass(frozen=True)
class Limits:
    """What one download may take: bytes, seconds in all, and seconds without a byte."""

    max_bytes: int
    total_seconds: float
    read_seconds: float


def open_direct(url: str, guard: Guard, limits: Limits) -> Source | None:
    """The media at the link; None where there is a page (or a manifest) that an extractor must read.

    Raises the `link.*`, `fetch.*`, `content.*` and `media.not_media` errors.
    """
    deadline = time.monotonic() + limits.total_seconds
    response, address = _follow(url, guard, limits)
    try:
        if not _answers_with_content(response):
            _end(response)
            return None
        chunks = _counted(response, limits, deadline)
        head, first = _head_of(chunks)
        media_type = _identify(head, response)
    except BaseException:
        _end(response)
        raise
    if media_type is None:
        _end(response)
        return None
    name = display_filename(address, response.headers.get("Content-Disposition"), media_type.extension)
    length = _declared_length(response)
    return Source(media_type, length, name, _joined(first, chunks), lambda: _end(response))


def _follow(url: str, guard: Guard, limits: Limits) -> tuple[HTTPResponse, str]:
    """The answer behind at most five redirects, each vetted anew; https never falls back to http."""
    address = check_link(url)
    for _ in range(_MAX_REDIRECTS + 1):
        response = _get(address, guard, limits)
        location = response.get_redirect_location()
        if not location:
            return response, address
        _end(response)
        target = check_link(urljoin(address, location))
        if urlsplit(address).scheme == "https" and urlsplit(target).scheme == "http":
            raise BlockedAddressError("It redirects from https to http.")
        address = target
    raise UnsupportedLinkError("It redirects too many times.")


def _get(address: str, guard: Guard, limits: Limits) -> HTTPResponse:
    parts = urlsplit(address)
    pool_class = GuardedHTTPSPool if parts.scheme == "https" else GuardedHTTPPool
    pool = pool_class(
        parts.hostname or "",
        parts.port or pool_class.ConnectionCls.default_port,
        timeout=Timeout(connect=_CONNECT_TIMEOUT_SECONDS, read=limits.read_seconds),
        retries=False,
        maxsize=1,
        guard=guard,
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
    )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        response = pool.urlopen(
            "GET", target, headers=_HEADERS, redirect=False, preload_content=False, decode_content=False
        )
    except ReadTimeoutError as error:
        raise StalledError from error
    except HTTPError as error:
        raise ConnectionFailedError from error
    except UnicodeError as error:
        raise InvalidLinkError from error
    return _known(response)


def _known(response: BaseHTTPResponse) -> HTTPResponse:
    if not isinstance(response, HTTPResponse):
        raise TypeError(f"urllib3 answered with {type(response).__name__}")
    response.enforce_content_length = False
    return response


def _answers_with_content(response: HTTPResponse) -> bool:
    """True for content, False where an extractor may fare better. Raises for what no extractor can change."""
    status = response.status
    if status in {404, 410}:
        raise LinkNotFoundError
    if status in {401, 407}:
        raise LoginRequiredError
    if status == 429:
        raise RateLimitedError(retry_after_seconds=_retry_after(response))
    if status >= 500:
        raise ServerFaultError(f"(HTTP {status})")
    if status in {204, 205}:
        raise EmptyContentError
    return status in {200, 203}


def _retry_after(response: HTTPResponse) -> float | None:
    """Seconds (RFC 9110, section 10.2.3); a date is left to the default."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _declared_length(response: HTTPResponse) -> int | None:
    text = response.headers.get("Content-Length", "")
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return int(text) if text.isascii() and text.isdigit() and not chunked else None


def _counted(response: HTTPResponse, limits: Limits, deadline: float) -> Iterator[bytes]:
    """The body in pieces as they arrive, checked against cap, deadline and declared length."""
    declared = _declared_length(response)
    if declared is not None and declared > limits.max_bytes:
        raise TooLargeError
    count = 0
    while chunk := _read(response):
        count += len(chunk)
        if count > limits.max_bytes:
            raise TooLargeError
        if time.monotonic() > deadline:
            raise FetchTimeoutError
        yield chunk
    if declared is not None and count < declared:
        raise TruncatedError(f"({count} of {declared} bytes came.)")


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK_BYTES, decode_content=False)
    except ReadTimeoutError as error:
        raise StalledError from error
    except ProtocolError as error:
        raise TruncatedError from error
    except (HTTPError, OSError, ValueError, AttributeError) as error:  # ended under our hands by `_end`
        raise ConnectionFailedError from error


def _head_of(chunks: Iterator[bytes]) -> tuple[bytes, list[bytes]]:
    """Enough of the beginning to tell what it is, and the pieces it was taken from."""
    taken: list[bytes] = []
    while sum(map(len, taken)) < HEAD_BYTES and (chunk := next(chunks, b"")):
        taken.append(chunk)
    if not taken:
        raise EmptyContentError
    return b"".join(taken)[:HEAD_BYTES], taken


def _identify(head: bytes, response: HTTPResponse) -> MediaType | None:
    """The type that the bytes show. Raises `NotMediaError` where only the header claims media."""
    media_type = sniff(head)
    if media_type is not None:
        return media_type
    declared = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    claims_media = declared.startswith(("video/", "audio/", "image/"))
    manifest = any(mark in declared for mark in _MANIFEST_TYPES) or head.lstrip().startswith(_MANIFEST_HEADS)
    if claims_media and not manifest:
        raise NotMediaError
    return None


def _joined(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from first
    yield from rest


def _end(response: HTTPResponse) -> None:
    """End the connection, even while another thread reads from it."""
    brake = getattr(response.connection, "brake", None)
    if brake is not None:
        with suppress(OSError):
            brake.shutdown(socket.SHUT_RDWR)
        brake.close()

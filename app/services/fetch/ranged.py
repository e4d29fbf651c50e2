"""A file that is read in pieces, by several connections at once, each of which goes on after a cut.

Every request names the version (`If-Range`), every answer is held against it: bytes of two versions are never mixed.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from threading import Event, Lock
from urllib.parse import urlsplit

from app.core.media_errors import (
    ConnectionFailedError,
    ExpiredAddressError,
    FetchTimeoutError,
    LinkNotFoundError,
    LoginRequiredError,
    RateLimitedError,
    ServerFaultError,
    SourceChangedError,
    StalledError,
    TruncatedError,
)
from app.services.fetch.exchange import Exchange, Opening
from app.services.fetch.ranges import ContentRange, Version, content_range, contradicts, range_headers, strong_validator
from app.services.fetch.rate_floor import TooSlowError

_PASSING = (ConnectionFailedError, ServerFaultError, StalledError, TruncatedError)
"""What another request for the rest may cure."""

_TRIES = 4
_SILENT_TRIES = 2  # each has waited for the whole read timeout
_PAUSE_SECONDS = 0.025

Fetched = Callable[[int], None]


class RangesIgnoredError(SourceChangedError):
    """The whole file, of the same version, was sent for a part of it: this way it cannot be read in parts."""


class RangedFile:
    """One version of a file at the address that the link led to; `close` ends all that reads it, from any thread."""

    def __init__(self, address: str, version: Version, opening: Opening, deadline: float) -> None:
        """`deadline` by the monotonic clock."""
        self.address = address
        self.host = urlsplit(address).netloc.rpartition("@")[2].lower()
        self.version = version
        self._opening = opening
        self._deadline = deadline
        self._closed = Event()
        self._lock = Lock()
        self._open: set[Exchange] = set()
        self._first: SpanReader | None = None

    def begin_with(self, exchange: Exchange, given: ContentRange, pieces: Iterable[bytes]) -> None:
        """The answer that the link was opened with: what it gives, and the pieces of it that were read already."""
        self._add(exchange)
        self._first = SpanReader(self, exchange, given, pieces)

    def reader(self) -> "SpanReader":
        """A reader with a connection of its own; the first one has the answer that the link was opened with."""
        with self._lock:
            first, self._first = self._first, None
        if first is not None:
            return first
        exchange = Exchange(self.address, self._opening.guard, self._opening.limits, self._opening.headers)
        self._add(exchange)
        return SpanReader(self, exchange)

    def chunks(self) -> Iterator[bytes]:
        """The whole file over one connection, in pieces as they arrive."""
        with closing(self.reader()) as reader:
            yield from reader.chunks(0, self.version.length)

    def check(self) -> None:
        """Raise `FetchTimeoutError` after the deadline."""
        if time.monotonic() > self._deadline:
            raise FetchTimeoutError

    def pause(self, seconds: float) -> bool:
        """Wait; whether the file is still open."""
        return not self._closed.wait(seconds)

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            exchanges, self._open = self._open, set()
        for exchange in exchanges:
            exchange.close()

    def discard(self, exchange: Exchange) -> None:
        """One connection less."""
        exchange.close()
        with self._lock:
            self._open.discard(exchange)

    def _add(self, exchange: Exchange) -> None:
        with self._lock:
            self._open.add(exchange)
        if self._closed.is_set():
            self.close()


class SpanReader:
    """One connection, for one thread. Raises the `fetch.*` errors where asking again for the rest does not help."""

    def __init__(
        self, file: RangedFile, exchange: Exchange, given: ContentRange | None = None, pieces: Iterable[bytes] = ()
    ) -> None:
        self._file = file
        self._exchange = exchange
        self._given = given
        self._at = given.start if given else 0
        self._pieces = deque(pieces)

    def read(self, start: int, into: memoryview, fetched: Fetched) -> None:
        """Fill `into` with the bytes from `start` on; `fetched` is told of each piece, and may raise to stop it."""
        filled = 0
        for chunk in self.chunks(start, start + len(into)):
            into[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
            fetched(len(chunk))

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to `stop` (not in it), as they arrive, over as many requests as that takes."""
        failures = 0
        while start < stop:
            began = time.monotonic()
            try:
                under_way = self._given if self._given and self._at == start < self._given.stop else None
                chunk = self._next(under_way or self._ask(start, stop), stop)
            except TooSlowError:
                raise
            except _PASSING as error:
                self._given = None
                failures += 1
                tries = _SILENT_TRIES if isinstance(error, StalledError) else _TRIES
                if failures >= tries or not self._file.pause(_PAUSE_SECONDS * 4**failures):
                    raise
                self._exchange.floor.waited(time.monotonic() - began, 0)
                continue
            failures = 0
            start += len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.discard(self._exchange)

    def _ask(self, start: int, stop: int) -> ContentRange:
        self._given = None
        self._pieces.clear()
        self._exchange.send(range_headers(start, stop, self._file.version.validator))
        self._at = start
        self._given = given_range(self._exchange, start, self._file.version)
        return self._given

    def _next(self, given: ContentRange, stop: int) -> bytes:
        """What comes next of the answer under way, not beyond `stop` or what the answer said that it gives."""
        self._file.check()
        chunk = self._pieces.popleft() if self._pieces else self._exchange.read()
        if not chunk:
            raise TruncatedError
        wanted = chunk[: min(stop, given.stop) - self._at]
        self._at += len(chunk)
        return wanted


def given_range(exchange: Exchange, start: int, version: Version) -> ContentRange:
    """What the answer gives of that version from `start` on; it may be less than was asked for (RFC 9110, 15.3.7).

    Raises `SourceChangedError` for an answer whose bytes must not be put beside that version's.
    """
    status = exchange.response.status
    if status == 429:
        raise RateLimitedError(retry_after_seconds=exchange.number("Retry-After"))
    if status >= 500:
        raise ServerFaultError(f"(HTTP {status})")
    if status in {401, 407}:
        raise LoginRequiredError
    if status in {404, 410}:
        raise LinkNotFoundError
    if status == 200 and strong_validator(exchange.response.headers) == version.validator:
        raise RangesIgnoredError("(It answered a part's request with the whole file.)")
    if status in {200, 412, 416}:
        raise SourceChangedError
    if status != 206:
        raise ExpiredAddressError(f"(HTTP {status})")
    given = content_range(exchange.header("Content-Range"))
    if given is None or given.start != start or given.total != version.length:
        raise SourceChangedError
    if contradicts(exchange.response.headers, version.validator):
        raise SourceChangedError
    return given

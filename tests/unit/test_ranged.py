"""A file that is read in spans: over which connections, and from which answers."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.media_errors import (
    ConnectionFailedError,
    ExpiredAddressError,
    LinkNotFoundError,
    MediaError,
    RateLimitedError,
    ServerFaultError,
    SourceChangedError,
)
from app.demo.bodies import find_body
from app.demo.origin import Origin
from app.services.fetch.direct import open_direct
from app.services.fetch.exchange import Limits, Opening
from app.services.fetch.guard import Guard
from app.services.fetch.ranged import RangedFile, RangesIgnoredError
from app.services.fetch.ranges import Version
from app.services.fetch.rate_floor import TooSlowError
from tests.servers import answering, shared_samples

LIMITS = Limits(max_bytes=1 << 30, total_seconds=30, read_seconds=2)
LENGTH = 3_000_000
NAME = f"bytes/{LENGTH}.mp4"
GIF = b"GIF89a" + bytes(2000)


class CountingGuard(Guard):
    """Allows loopback, and counts the connections."""

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        connected.append((host, port))
        return super().connect(host, port, timeout)


connected: list[tuple[str, int]] = []


@pytest.fixture
def guard() -> Guard:
    connected.clear()
    return CountingGuard(Guard.of(["127.0.0.1/32"]).allow)


@pytest.fixture
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    with Origin(shared_samples(tmp_path_factory).folder) as origin:
        yield origin


def ranged(link: str, guard: Guard) -> RangedFile:
    source = open_direct(link, guard, LIMITS)
    assert source is not None
    assert source.ranged is not None
    return source.ranged


def read(file: RangedFile, start: int, stop: int) -> bytes:
    into = bytearray(stop - start)
    reader = file.reader()
    try:
        reader.read(start, memoryview(into), lambda _: None)
    finally:
        reader.close()
    return bytes(into)


def test_one_connection_serves_span_after_span(origin: Origin, guard: Guard) -> None:
    file = ranged(origin.url("bytes/20000000.mp4"), guard)
    reader = file.reader()
    body = bytearray(20_000_000)
    for start in range(0, len(body), 8 << 20):
        span = memoryview(body)[start : start + (8 << 20)]
        reader.read(start, span, lambda _: None)
    file.close()
    assert bytes(body) == b"".join(origin_bytes(20_000_000))
    assert origin.requests["bytes/20000000.mp4"] == 3
    assert len(connected) == 1


def origin_bytes(length: int) -> Iterator[bytes]:
    return (bytes(piece) for piece in find_body(Path(), f"bytes/{length}.mp4").read(0, length))


def test_every_connection_goes_through_the_guard(origin: Origin, guard: Guard) -> None:
    file = ranged(origin.url("redirect", to=f"/{NAME}"), guard)
    assert read(file, 0, 10)[4:8] == b"ftyp"
    read(file, 1000, LENGTH)
    file.close()
    assert len(connected) == 3  # the redirect, where it led, and the second reader
    assert file.address == origin.url(NAME)


@pytest.mark.parametrize("faults", [{"truncate": 270_000}, {"stall_after": 1_000_000}])
def test_reader_goes_on_after_a_cut(origin: Origin, guard: Guard, faults: dict[str, int]) -> None:
    file = ranged(origin.url(NAME, **faults), guard)
    whole = read(file, 0, LENGTH)
    file.close()
    assert whole == b"".join(origin_bytes(LENGTH))
    assert origin.bytes_sent[NAME] == LENGTH


def test_site_that_cuts_after_a_few_bytes_each_time_is_too_slow(origin: Origin, guard: Guard) -> None:
    limits = Limits(1 << 30, total_seconds=30, read_seconds=2, min_rate=100_000, rate_seconds=0.5)
    source = open_direct(origin.url(NAME, truncate=2000), guard, limits)
    assert source is not None
    with pytest.raises(TooSlowError):
        b"".join(source.chunks)
    source.close()


def test_closed_file_is_read_no_more(origin: Origin, guard: Guard) -> None:
    file = ranged(origin.url(NAME), guard)
    file.close()
    began = time.monotonic()
    with pytest.raises(ConnectionFailedError):
        read(file, 0, LENGTH)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b'206 X\r\nContent-Range: bytes 10-19/100\r\nContent-Length: 10\r\nETag: "b"', SourceChangedError),
        (b'206 X\r\nContent-Range: bytes 10-19/101\r\nContent-Length: 10\r\nETag: "a"', SourceChangedError),
        (b'206 X\r\nContent-Range: bytes 0-9/100\r\nContent-Length: 10\r\nETag: "a"', SourceChangedError),
        (b"206 X\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 10", SourceChangedError),
        (b'200 X\r\nContent-Length: 100\r\nETag: "b"', SourceChangedError),
        (b"200 X\r\nContent-Length: 100", SourceChangedError),
        (b'200 X\r\nContent-Length: 100\r\nETag: "a"', RangesIgnoredError),
        (b"416 X\r\nContent-Range: bytes */5\r\nContent-Length: 0", SourceChangedError),
        (b"403 X\r\nContent-Length: 0", ExpiredAddressError),
        (b"302 X\r\nLocation: /elsewhere\r\nContent-Length: 0", ExpiredAddressError),
        (b"404 X\r\nContent-Length: 0", LinkNotFoundError),
        (b"429 X\r\nContent-Length: 0", RateLimitedError),
        (b"503 X\r\nContent-Length: 0", ServerFaultError),
    ],
)
def test_answer_that_does_not_fit_the_version_is_never_read(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, answer: bytes, error: type[MediaError]
) -> None:
    monkeypatch.setattr("app.services.fetch.ranged._TRIES", 1)
    got: list[int] = []
    with answering(b"HTTP/1.1 " + answer + b"\r\n\r\n" + b"x" * 100) as link:
        file = RangedFile(link, Version('"a"', 100), Opening(guard, LIMITS), time.monotonic() + 10)
        reader = file.reader()
        with pytest.raises(error) as caught:
            reader.read(10, memoryview(bytearray(10)), got.append)
        file.close()
    assert type(caught.value) is error
    assert got == []


def test_answer_may_give_less_than_was_asked_for_and_no_more_than_it_says(guard: Guard) -> None:
    """The rest is another request, which nobody answers here."""
    head = b'HTTP/1.1 206 X\r\nContent-Range: bytes 10-13/100\r\nETag: "a"\r\nConnection: close\r\n\r\n'
    got: list[int] = []
    into = bytearray(10)
    with answering(head + b"fourmuchmore") as link:
        file = RangedFile(link, Version('"a"', 100), Opening(guard, LIMITS), time.monotonic() + 10)
        with pytest.raises(MediaError):
            file.reader().read(10, memoryview(into), got.append)
        file.close()
    assert (sum(got), bytes(into)) == (4, b"four" + bytes(6))


@pytest.mark.parametrize(
    ("headers", "version", "in_parts"),
    [
        (b'206 X\r\nContent-Range: bytes 0-2005/2006\r\nETag: "a"', True, True),
        (b'206 X\r\nContent-Range: bytes 0-2005/2006\r\nETag: W/"a"', False, False),
        (b'200 X\r\nETag: "a"', True, False),
        (b'200 X\r\nETag: W/"a"', False, False),
    ],
)
def test_only_a_range_under_a_strong_validator_is_shared_by_connections(
    guard: Guard, headers: bytes, version: bool, in_parts: bool
) -> None:
    with answering(b"HTTP/1.1 " + headers + b"\r\nContent-Length: 2006\r\n\r\n" + GIF) as link:
        source = open_direct(link, guard, LIMITS)
        assert source is not None
        assert (source.version is not None, source.ranged is not None) == (version, in_parts)
        assert b"".join(source.chunks) == GIF
        source.close()

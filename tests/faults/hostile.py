"""An origin that does its worst: what experiment 22 stores, and the codes that each may end with."""

import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from http.client import responses
from itertools import count, repeat
from typing import Self

MAX_BYTES = 16 << 20
_MIB = 1 << 20
_MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(2048)
_SLOWLY_SECONDS = 0.4
_PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n"

Body = Iterator[bytes]


def _head(content_type: str, *more: str, status: int = 200) -> bytes:
    lines = [f"HTTP/1.1 {status} {responses[status]}", f"Content-Type: {content_type}", "Connection: close", *more]
    return "\r\n".join([*lines, "", ""]).encode()


@cache
def _bomb() -> bytes:
    """256 MiB of zeros, packed."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(_MIB)) for _ in range(256)) + packer.flush()


def _slowly(body: bytes) -> Body:
    """One byte now and then, for ever where there are none to send."""
    pause = threading.Event()
    for byte in body or repeat(0):
        yield bytes([byte])
        pause.wait(_SLOWLY_SECONDS)


def _then(first: bytes, rest: Body) -> Body:
    yield first
    yield from rest


def _segments(number: int) -> Body:
    yield _head("application/vnd.apple.mpegurl") + _PLAYLIST
    for first in range(0, number, 1000):
        yield b"".join(b"#EXTINF:0.001,\ns%d.ts\n" % n for n in range(first, first + 1000))
    yield b"#EXT-X-ENDLIST\n"


_M3U8 = "application/vnd.apple.mpegurl"
ANSWERS: dict[str, tuple[Callable[[], Body], set[str]]] = {
    "endless.mp4": (lambda: _then(_head("video/mp4") + _MP4, repeat(bytes(65536))), {"content.too_large"}),
    "too-long-a-length.mp4": (
        lambda: iter([_head("video/mp4", "Content-Length: 9000000"), _MP4]), {"fetch.truncated"}),
    "too-short-a-length.mp4": (
        lambda: _then(_head("video/mp4", "Content-Length: 4000") + _MP4, repeat(bytes(65536))), {"media.malformed"}),
    "absurd-length.mp4": (
        lambda: iter([_head("video/mp4", "Content-Length: 90000000000000000"), _MP4]), {"content.too_large"}),
    "bomb.mp4": (lambda: iter([_head("video/mp4", "Content-Encoding: gzip"), _bomb()]), {"media.not_media"}),
    "bomb.html": (lambda: iter([_head("text/html", "Content-Encoding: gzip"), _bomb()]), {"media.not_media"}),
    "slow-head.mp4": (lambda: _slowly(_head("video/mp4", *("X-Pad: " + "x" * 60 for _ in range(50)))),
                      {"fetch.timeout", "fetch.stalled"}),
    "slow-body.mp4": (lambda: _then(_head("video/mp4") + _MP4, _slowly(b"")), {"fetch.timeout", "fetch.stalled"}),
    "slow-page.html": (lambda: _then(_head("text/html"), _slowly(b"")), {"fetch.timeout", "fetch.stalled"}),
    "continue.mp4": (lambda: repeat(b"HTTP/1.1 100 Continue\r\n\r\n"), {"fetch.timeout", "fetch.connection"}),
    "long-header.mp4": (lambda: _then(b"HTTP/1.1 200 OK\r\nX-Pad: ", repeat(b"x" * 65536)), {"fetch.connection"}),
    "many-headers.mp4": (
        lambda: _then(b"HTTP/1.1 200 OK\r\n", (b"X-%d: x\r\n" % n for n in count())), {"fetch.connection"}),
    "no-http.mp4": (lambda: repeat(b"\xff" * 65536), {"fetch.connection"}),
    "endless.m3u8": (lambda: _then(_head(_M3U8) + _PLAYLIST, repeat(b"#EXTINF:1,\na.ts\n" * 4096)),
                     {"content.too_large"}),
    "live.m3u8": (lambda: iter([_head(_M3U8) + _PLAYLIST + b"#EXTINF:1,\nendless.mp4\n"]), {"content.live"}),
    "many.m3u8": (lambda: _segments(30_000), {"content.too_long", "fetch.timeout"}),
    "endless-segment.m3u8": (
        lambda: iter([_head(_M3U8) + _PLAYLIST + b"#EXTINF:1,\nendless.mp4\n#EXT-X-ENDLIST\n"]), {"content.too_large"}),
    "page-of-100-megabytes.html": (
        lambda: _then(_head("text/html") + b"<html><title>x</title>", iter([b"<p>word</p>" * 95_000] * 100)),
        {"content.too_large"}),
    "redirects": (lambda: iter(()), {"link.unsupported"}),
}  # fmt: skip


class HostileOrigin:
    """Serves `ANSWERS` on loopback, and a piece of nothing for whatever else is asked for."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._redirects = count()

    def link(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def __enter__(self) -> Self:
        _bomb()  # packed before anybody waits for it
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            request = connection.recv(65536)
            if not request:  # whoever connected was ended before it asked
                return
            name = request.split(b" ")[1].decode().lstrip("/").partition("?")[0]
            for piece in self._body(name):
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

    def _body(self, name: str) -> Body:
        if name.startswith("redirects"):
            location = f"Location: /redirects/{next(self._redirects)}"
            return iter([_head("text/html", location, "Content-Length: 0", status=302)])
        return ANSWERS[name][0]() if name in ANSWERS else iter([_head("video/mp2t"), bytes(188)])

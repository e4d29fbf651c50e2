"""What the demo origin can send: the files of a folder, and bytes made on the fly."""

import gzip
import hashlib
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

Pieces = Iterator[bytes | memoryview]

CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".mp3": "audio/mpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
    ".mpd": "application/dash+xml",
    ".m4s": "video/iso.segment",
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
OCTETS = "application/octet-stream"

# ISO/IEC 14496-12, 4.3: size, "ftyp", major brand, minor version, compatible brands.
FTYP = (24).to_bytes(4) + b"ftypisom" + (512).to_bytes(4) + b"isommp42"

_MIB = 1 << 20
_STRIDE = 7919  # odd, so that all rotations of the block come up before one comes back
_LONG_AGO = 1_735_689_600.0  # 2025-01-01: what is made on the fly never changes
_HTML = b"<!doctype html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>"


@dataclass(frozen=True)
class Body:
    """Something to send. `read(start, stop)` yields its bytes; `length` None means that it never ends."""

    content_type: str
    length: int | None
    etag: str
    modified: float
    read: Callable[[int, int], Pieces]
    encoding: str | None = None

    def sha256(self) -> str:
        """SHA-256 of all its bytes, in hexadecimal. Raises ValueError if it never ends."""
        if self.length is None:
            raise ValueError("a body without an end has no checksum")
        digest = hashlib.sha256()
        for piece in self.read(0, self.length):
            digest.update(piece)
        return digest.hexdigest()

    def gzipped(self) -> "Body":
        """Return the same, compressed, in memory. Raises ValueError if it never ends."""
        if self.length is None:
            raise ValueError("a body without an end cannot be compressed whole")
        packed = gzip.compress(b"".join(self.read(0, self.length)), compresslevel=1, mtime=0)
        body = _constant(packed, self.content_type, self.etag.strip('"') + "-gzip")
        return replace(body, modified=self.modified, encoding="gzip")


def find_body(folder: Path, name: str) -> Body:
    """Return what is at the path `name` (no leading slash). Raises FileNotFoundError if nothing is."""
    if made := re.fullmatch(r"bytes/(\d{1,15})(\.mp4)?", name):
        return _noise_body(int(made[1]), made[2] or "")
    if name in _SPECIAL:
        return _SPECIAL[name]()
    path = (folder / ("article.html" if name == "page" else name)).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise FileNotFoundError(name)
    return _file_body(path)


@cache
def bytes_sha256(n: int, suffix: str = "") -> str:
    """SHA-256 of what the origin sends for `/bytes/{n}{suffix}`; the suffix is "" or ".mp4"."""
    return _noise_body(n, suffix).sha256()


def _file_body(path: Path) -> Body:
    seen = path.stat()

    def read(start: int, stop: int) -> Pieces:
        with path.open("rb") as file:
            file.seek(start)
            while start < stop and (piece := file.read(min(_MIB, stop - start))):
                start += len(piece)
                yield piece

    content_type = CONTENT_TYPES.get(path.suffix, OCTETS)
    return Body(content_type, seen.st_size, f'"{seen.st_size:x}-{seen.st_mtime_ns:x}"', seen.st_mtime, read)


def _constant(content: bytes, content_type: str, tag: str) -> Body:
    def read(start: int, stop: int) -> Pieces:
        yield content[start:stop]

    return Body(content_type, len(content), f'"{tag}"', _LONG_AGO, read)


def _noise_body(length: int | None, suffix: str) -> Body:
    front = FTYP if suffix == ".mp4" else b""

    def read(start: int, stop: int) -> Pieces:
        if start < len(front):
            yield front[start:stop]
            start = len(front)
        yield from _noise(start, stop)

    tag = f'"noise-{"endless" if length is None else length}{suffix}"'
    return Body(CONTENT_TYPES.get(suffix, OCTETS), length, tag, _LONG_AGO, read)


def _noise(start: int, stop: int) -> Pieces:
    # Each MiB is the same random block, rotated further: no two parts are alike, and none is computed.
    block = _doubled_block()
    while start < stop:
        run, within = divmod(start, _MIB)
        size = min(_MIB - within, stop - start)
        at = run * _STRIDE % _MIB + within
        yield block[at : at + size]
        start += size


@cache
def _doubled_block() -> memoryview:
    return memoryview(random.Random("takeup").randbytes(_MIB) * 2)


@cache
def _garbage() -> Body:
    content = FTYP + random.Random("garbage").randbytes(256 * 1024)
    return _constant(content, "video/mp4", "garbage")


_SPECIAL: dict[str, Callable[[], Body]] = {
    "empty": lambda: _constant(b"", "video/mp4", "empty"),
    "html-as-video": lambda: _constant(_HTML, "video/mp4", "html"),
    "garbage.mp4": _garbage,
    "endless": lambda: _noise_body(None, ".mp4"),
}
NO_END = sys.maxsize
"""The `stop` to read a body to that never ends."""

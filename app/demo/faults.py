"""How the demo origin misbehaves when a link asks for it, and the HTTP rules that it otherwise keeps."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event
from urllib.parse import quote

from app.demo.bodies import Pieces

_TICK_S = 0.05


@dataclass(frozen=True)
class Faults:
    """What a link's query string asks for. Bytes are counted from the start of the answer's body.

    truncate     close the connection after so many bytes
    stall_after  send nothing more after so many bytes, and keep the connection open
    rate         bytes per second, for this answer alone
    delay_ms     milliseconds before this answer
    chunked      no Content-Length, no ranges
    noranges     answer every range request with the whole
    gzip         compress, if the client offers to unpack
    type         a content type of one's own
    disposition  the file name in a Content-Disposition header
    fail_first   answer the first so many requests of this very link with 503
    """

    truncate: int | None = None
    stall_after: int | None = None
    rate: int | None = None
    delay_ms: int = 0
    fail_first: int = 0
    chunked: bool = False
    noranges: bool = False
    gzip: bool = False
    type: str | None = None
    disposition: str | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Faults":
        """Read a query string, whatever else it has. Raises ValueError for what should be a number."""
        return cls(
            truncate=_number(query, "truncate"),
            stall_after=_number(query, "stall_after"),
            rate=_number(query, "rate"),
            delay_ms=_number(query, "delay_ms") or 0,
            fail_first=_number(query, "fail_first") or 0,
            chunked=query.get("chunked") == "1",
            noranges=query.get("noranges") == "1",
            gzip=query.get("gzip") == "1",
            type=query.get("type"),
            disposition=query.get("disposition"),
        )

    @property
    def cut_at(self) -> int | None:
        """Bytes after which the body stops early, or None."""
        return min((n for n in (self.truncate, self.stall_after) if n is not None), default=None)

    @property
    def stalls(self) -> bool:
        """Whether the connection stays open, silent, where the body stops early."""
        return self.stall_after is not None and self.stall_after == self.cut_at


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{name} is not a whole number: {text!r}")
    return int(text)


def cut(pieces: Pieces, limit: int) -> Pieces:
    """Yield the first `limit` bytes of `pieces`."""
    for piece in pieces:
        if len(piece) >= limit:
            yield piece[:limit]
            return
        limit -= len(piece)
        yield piece


def paced(pieces: Pieces, rate: int, closing: Event) -> Pieces:
    """Yield `pieces` at `rate` bytes per second, in slices of 50 ms, the last when the time is full.

    Raises ConnectionAbortedError when `closing` is set meanwhile.
    """
    rate = max(rate, 1)
    size = max(int(rate * _TICK_S), 1)
    started = time.monotonic()
    sent = 0
    for piece in pieces:
        for at in range(0, len(piece), size):
            part = piece[at : at + size]
            sent += len(part)
            if closing.wait(max(started + sent / rate - time.monotonic(), 0)):
                raise ConnectionAbortedError("the origin is closing")
            yield part


class UnsatisfiableRangeError(Exception):
    """A range that lies beyond the end (RFC 9110, section 15.5.17)."""


def requested_span(header: str | None, length: int) -> tuple[int, int] | None:
    """Read a Range header as (start, stop), or None for the whole.

    As RFC 9110, section 14.2 allows, a header that is malformed or has several ranges is ignored.
    Raises UnsatisfiableRangeError.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", (header or "").replace(" ", ""), re.ASCII)
    if match is None or not (match[1] or match[2]):
        return None
    if match[1]:
        start, stop = int(match[1]), min(int(match[2] or length) + 1, length)
        if match[2] and int(match[2]) < start:
            return None
    else:
        start, stop = max(length - int(match[2]), 0), length
    if start >= length:
        raise UnsatisfiableRangeError
    return start, stop


def content_disposition(name: str) -> str:
    """Return a Content-Disposition header for a file name, as hostile as it is (RFC 6266, appendix D)."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"

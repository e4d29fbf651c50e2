"""Tries the address list, one path a run, and writes one JSON line for each entry: what came of it, and who called.

Run as `unshare --user --map-root-user --net --mount -- python -m tests.security.lab PATH SAMPLES FOLDER [all]`.
"""

import json
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from app.core.media_errors import MediaError
from app.services.fetch.direct import open_direct
from app.services.fetch.exchange import Limits
from app.services.fetch.extract import Extraction, ExtractionProgress, described, extracted
from app.services.fetch.guard import Guard
from tests.security.addresses import AddressList, Entry, read_addresses
from tests.security.canary import Canary, open_every_address
from tests.security.fenced_ffmpeg import FfmpegPath
from tests.security.name_server import NameServer
from tests.security.site import serve

_LIMITS = Limits(8 << 20, 20, 3)
_PROGRESS = ExtractionProgress(lambda: None, lambda _: None, lambda _: None)

Try = Callable[[Entry], str]


def _unguarded(entry: Entry) -> str:
    """What the list is worth: whether somebody without a guard gets through."""
    with suppress(OSError, ValueError):
        parts = urlsplit(entry.to)
        port = parts.port or {"https": 443}.get(parts.scheme, 80)
        socket.create_connection((parts.hostname, port), 1).close()
    return "tried"


def _direct(entry: Entry) -> str:
    source = open_direct(entry.link, Guard(), _LIMITS)
    if source is None:
        return "page"
    source.close()
    return "stored"


def _extract(folder: Path) -> Try:
    def attempt(entry: Entry) -> str:
        with extracted(_extraction(entry, folder), _PROGRESS):
            return "stored"

    return attempt


def _describe(folder: Path) -> Try:
    """As for resolving a link: what speaks against it, or that it is a page so far as one looks."""

    def attempt(entry: Entry) -> str:
        _, refusal = described(_extraction(entry, folder), lambda: None)
        return refusal.code if refusal else "page"

    return attempt


def _extraction(entry: Entry, folder: Path) -> Extraction:
    return Extraction(
        url=entry.link,
        limits=_LIMITS,
        guard=Guard(),
        max_duration_seconds=60,
        max_playlist_entries=1000,
        max_height=1080,
        scratch=folder / "scratch",
        keep_free_bytes=0,
    )


def _chosen(listed: AddressList, path: str, *, whole: bool) -> list[Entry]:
    """All, or the first of each kind.

    Describing and extracting refuse a link by the same lines; what they then read of a page differs.
    """
    if path == "ffmpeg-unfenced":
        return list(listed.entries[:1])
    if whole:
        return list(listed.entries)
    kinds = {entry.name: entry for entry in reversed(listed.entries)}
    return [entry for entry in kinds.values() if path != "describe" or entry.has_page]


def main(path: str, samples: str, folder: str, size: str = "all") -> None:
    listed = read_addresses()
    open_every_address(Path(folder) / "resolv.conf")
    names = NameServer(listed.names, listed.rebinding)
    serve(listed.pages, Path(samples))
    canary = Canary()
    tries: dict[str, Callable[[], Try]] = {
        "unguarded": lambda: _unguarded,
        "direct": lambda: _direct,
        "extract": lambda: _extract(Path(folder)),
        "describe": lambda: _describe(Path(folder)),
        "ffmpeg": lambda: FfmpegPath(Path(folder)).attempt,
        "ffmpeg-unfenced": lambda: FfmpegPath(Path(folder), fenced=False).attempt,
    }
    attempt = tries[path]()
    for entry in _chosen(listed, path, whole=size == "all"):
        names.forget()
        try:
            outcome = attempt(entry)
        except MediaError as error:
            outcome = error.code
        row = {"name": entry.name, "link": entry.link, "to": entry.to, "outcome": outcome, "codes": entry.codes}
        print(json.dumps({**row, "has_page": entry.has_page, "connections": canary.take()}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

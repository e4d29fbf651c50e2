"""What an earlier attempt left of the same media in this folder: pieces to go on with, and pieces to drop.

yt-dlp does not survive being killed by itself: a fragment that was appended and not noted yet would be appended again.
So fragments are kept as they come, and put together anew; and a piece is kept only where all that is known of the media
is as it was: its identity and length, its formats, its playlists or their fragments, the validators of its files.
"""

import json
import re
from collections.abc import Mapping
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.networking import Request
from yt_dlp.networking.exceptions import RequestError

from app.services.fetch.description import chosen_formats
from app.services.fetch.extractor_session import headers_of
from app.services.fetch.ranges import content_range, range_headers, strong_validator
from app.services.fetch.scratch import CLAIM

MEDIA = "media"
"""The name of what is downloaded, without its extension; a format's has another dot in it."""
_PLAN = ".plan"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_QUERY = re.compile(r"\?[^\s\"']*")
"""A signature, or a moment of expiry: another one each time."""

Info = dict[str, Any]


def keep_pieces(downloader: YoutubeDL, folder: Path, info: Info) -> tuple[int, int]:
    """Drop what cannot be gone on with; the bytes of the whole pieces that stay, and of those that are begun.

    What is fetched from now on is fetched under the same conditions.
    """
    chosen = chosen_formats(info)
    traces = [_trace(downloader, info, item) for item in chosen]
    # After a crash of the machine itself, files may hold less than was written to them.
    media = [info.get(name) for name in ("extractor_key", "id", "duration")]
    formats = [[item.get(name) for name in ("format_id", "filesize", "tbr", "width", "height")] for item in chosen]
    plan = json.dumps([_BOOT_ID.read_text(), media, formats, traces])
    noted = folder / _PLAN
    same = all(traces) and noted.exists() and noted.read_text() == plan
    may_be_begun = all(_is_file(item) for item in chosen)
    whole = begun = 0
    for file in [file for file in folder.iterdir() if file.name != CLAIM]:
        if same and _is_whole(file):
            whole += file.stat().st_size
        elif same and may_be_begun and file.suffix == ".part":
            begun += file.stat().st_size
        else:
            _remove(file)
    noted.write_text(plan)
    return whole, begun


def _is_whole(file: Path) -> bool:
    """A fragment is of no use any more where its format is whole, nor a format where the media is."""
    if file.name.startswith(".") or file.suffix in {".part", ".ytdl"} or ".temp." in file.name:
        return False
    together, mark, _ = file.name.rpartition(".part-Frag")
    if mark and (file.parent / together).exists():
        return False
    media = [whole for whole in file.parent.glob(f"{MEDIA}.*") if whole.name.count(".") == 1]
    return not media or file in media


def _is_file(item: Mapping[str, Any]) -> bool:
    return item.get("protocol") in {"http", "https"} and not item.get("fragments")


def _trace(downloader: YoutubeDL, info: Info, item: Mapping[str, Any]) -> str | None:
    """What tells this version of a format from every other; None where nothing does."""
    with suppress(RequestError):
        if isinstance(item.get("fragments"), list):
            pieces = [
                f"{piece.get('path') or piece.get('url')}\n#{piece.get('duration')}" for piece in item["fragments"]
            ]
            return _digest("\n".join(pieces))
        if str(item.get("protocol")).startswith("m3u8"):
            with closing(downloader.urlopen(Request(item["url"], headers=headers_of(downloader, item)))) as response:
                return _digest(response.read().decode("utf-8", "replace"))
        if _is_file(item):
            return _validator(downloader, info, item)
    return None


def _validator(downloader: YoutubeDL, info: Info, item: Mapping[str, Any]) -> str | None:
    """The file's strong validator and length. Its ranges are asked for under that validator alone from now on."""
    headers = {**headers_of(downloader, item), "Accept-Encoding": "identity", **range_headers(0, 1)}
    with closing(downloader.urlopen(Request(item["url"], headers=headers))) as response:
        given, validator = content_range(response.get_header("Content-Range") or ""), strong_validator(response.headers)
    if given is None or validator is None:
        return None
    for offered in info.get("formats") or [info]:
        if offered.get("format_id") == item.get("format_id"):
            offered["http_headers"] = {**(offered.get("http_headers") or {}), "If-Range": validator}
    return f"{validator} {given.total}"


def _digest(playlist: str) -> str | None:
    """Of a playlist without its addresses' queries; None where only these tell its fragments apart."""
    text = _QUERY.sub("", playlist)
    addresses = [line for line in text.splitlines() if line and not line.startswith("#")]
    return sha256(text.encode()).hexdigest() if len(set(addresses)) == len(addresses) else None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        rmtree(path)
    else:
        path.unlink()

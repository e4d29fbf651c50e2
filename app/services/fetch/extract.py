"""A link that needs an extractor: yt-dlp in a child process, its download as a source to store."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Any, Literal

from deno import find_deno_bin
from imageio_ffmpeg import get_ffmpeg_exe

from app.core.media_errors import (
    MEDIA_ERRORS,
    ExtractorFailedError,
    MediaError,
    NotMediaError,
    RateLimitedError,
    StalledError,
)
from app.models.resolution import MediaDescription
from app.services.child import Child, ChildDiedError, ChildSilentError, run_child
from app.services.fetch.direct import expiring, open_found
from app.services.fetch.exchange import Limits, OnOpen, Opening
from app.services.fetch.filename import clean_filename
from app.services.fetch.found import FoundFile
from app.services.fetch.guard import Guard
from app.services.fetch.scratch import claim_space, job_folder
from app.services.fetch.sniff import HEAD_BYTES, sniff
from app.services.fetch.source import Source

_CHUNK_BYTES = 1 << 20
_FIRST_CLAIM_BYTES = 32 << 20
_SILENCE_SECONDS = 120.0

log = getLogger(__name__)


@dataclass(frozen=True)
class Extraction:
    """What an extraction is given: the link, its limits, and the form of media that is wanted.

    Without `ranges` a file is read as one stream. A job of the same `name` goes on with what an earlier one downloaded
    on this machine.
    """

    url: str
    limits: Limits
    guard: Guard
    max_duration_seconds: int
    max_playlist_entries: int
    max_height: int
    scratch: Path
    keep_free_bytes: int
    ranges: bool = True
    name: str | None = None


@dataclass
class ExtractionProgress:
    """Who is told while yt-dlp works. `check` is called often and may raise to stop it, `on_open` is as in `Opening`.

    `expect` is told of the length, where it is known, when the media has been found, and `kept` of the bytes that an
    earlier job has downloaded.
    """

    check: Callable[[], None]
    expect: Callable[[int | None], None]
    fetched_so_far: Callable[[int], None]
    on_open: OnOpen = lambda _: None
    kept: Callable[[int], None] = lambda _: None


@contextmanager
def extracted(extraction: Extraction, progress: ExtractionProgress) -> Iterator[Source]:
    """The media behind a page: a file where it lies, or what yt-dlp makes of its pieces in a scratch folder.

    Raises the `link.*`, `fetch.*`, `content.*`, `media.not_media`, `extractor.*` and `worker.disk_full` errors, and
    `NoRoomYetError` where the pieces do not fit on the disk for now.
    """
    with job_folder(extraction.scratch, extraction.name) as folder:
        found = _run(extraction, folder, progress)
        if not isinstance(found, FoundFile):
            yield _source_of(*found)
            return
    opening = Opening(extraction.guard, extraction.limits, progress.on_open)
    with closing(open_found(found, opening, ranges=extraction.ranges)) as source, expiring():
        progress.expect(source.length)
        yield source


def find_file(extraction: Extraction, check: Callable[[], None]) -> FoundFile | None:
    """The one file behind a page, by an address of now; None where it comes in pieces. Raises as `extracted` does."""
    with job_folder(extraction.scratch) as folder, _child(extraction, folder, "find") as child:
        for message in child.messages(check, _SILENCE_SECONDS):
            match message["type"]:
                case "file":
                    return _file_of(message)
                case "result":
                    return None
                case "error":
                    raise _error_of(message)
    raise ExtractorFailedError


def described(extraction: Extraction, check: Callable[[], None]) -> tuple[MediaDescription | None, MediaError | None]:
    """What is behind a page, without downloading it, and what speaks against storing it; both may be known.

    `check` is called often and may raise to stop it. Raises `fetch.stalled`, `extractor.failed` and
    `worker.disk_full`.
    """
    with job_folder(extraction.scratch) as folder, _child(extraction, folder, "describe") as child:
        return _hear_description(child, check)


def _hear_description(child: Child, check: Callable[[], None]) -> tuple[MediaDescription | None, MediaError | None]:
    media = None
    for message in child.messages(check, _SILENCE_SECONDS):
        match message["type"]:
            case "described":
                media = MediaDescription.model_validate(message["media"])
            case "error":
                return media, _error_of(message)
            case "result":
                return media, None
    raise ExtractorFailedError


def _run(extraction: Extraction, folder: Path, progress: ExtractionProgress) -> FoundFile | tuple[Path, str]:
    with _child(extraction, folder, "download") as child:
        return _listen(child, progress, lambda needed: claim_space(folder, needed, extraction.keep_free_bytes))


@contextmanager
def _child(extraction: Extraction, folder: Path, task: Literal["download", "describe", "find"]) -> Iterator[Child]:
    """The extraction child; how it ends without an answer has a code."""
    job = {
        "task": task,
        "url": extraction.url,
        "folder": str(folder),
        "guard": extraction.guard.as_json(),
        "max_bytes": extraction.limits.max_bytes,
        "total_seconds": int(extraction.limits.total_seconds),
        "read_seconds": extraction.limits.read_seconds,
        "max_duration_seconds": extraction.max_duration_seconds,
        "max_playlist_entries": extraction.max_playlist_entries,
        "max_height": extraction.max_height,
        "ffmpeg": get_ffmpeg_exe(),
        "deno": find_deno_bin(),
    }
    try:
        with run_child("app.services.fetch.extractor", job, folder) as child:
            yield child
    except ChildSilentError as error:
        raise StalledError from error
    except ChildDiedError as error:
        log.warning("the extraction child died: %s", error)
        raise ExtractorFailedError from error


def _listen(child: Child, progress: ExtractionProgress, claim: Callable[[int], None]) -> FoundFile | tuple[Path, str]:
    """The file where it lies, or on our disk with its title.

    `claim` is asked for thrice what was found: its pieces, what they are put together to, and what that is merged into.
    Where no size is told, the claim grows with what is there.
    """
    claimed = 0
    for message in child.messages(progress.check, _SILENCE_SECONDS):
        match message["type"]:
            case "file":
                return _file_of(message)
            case "found":
                progress.expect(message["total"])
                progress.kept(message["kept"])
                claimed = message["total"] or _FIRST_CLAIM_BYTES
                claim(3 * claimed)
            case "progress":
                progress.fetched_so_far(message["done"])
                if message["done"] > claimed:
                    claimed = 2 * message["done"]
                    claim(3 * claimed)
            case "error":
                raise _error_of(message)
            case "result":
                return Path(message["path"]), message["title"]
    raise ExtractorFailedError


def _file_of(message: dict[str, Any]) -> FoundFile:
    return FoundFile.of(message["url"], message["headers"], message["title"])


def _error_of(message: dict[str, Any]) -> MediaError:
    if message["code"] == RateLimitedError.code:
        return RateLimitedError(message["detail"], retry_after_seconds=message["retry_after_seconds"])
    return MEDIA_ERRORS[message["code"]](message["detail"])


def _source_of(path: Path, title: str) -> Source:
    with path.open("rb") as file:
        media_type = sniff(file.read(HEAD_BYTES))
    if media_type is None:
        raise NotMediaError
    return Source(
        media_type=media_type,
        length=path.stat().st_size,
        filename=clean_filename(title, media_type.extension),
        chunks=_chunks(path),
        close=lambda: None,
        local=True,
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk

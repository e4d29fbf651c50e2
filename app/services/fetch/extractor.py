"""The extraction child: yt-dlp finds the media behind a page and downloads it into a scratch folder.

Runs as a process of its own, forked by `child_server` and with no secret in its environment. It reads its job as one
JSON line and writes JSON lines: `file` where one file is all there is, which is then fetched by the parent; else
`found` and `progress`; at the end `result`, or `error` (a code of docs/errors.md). A task to `find` that file ends
there, whatever is found. One to `describe` writes `described`, once or again with more. Both download nothing.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, Any

from app.core.media_errors import (
    BlockedAddressError,
    EmptyContentError,
    MediaError,
    NotMediaError,
    TooLargeError,
    TooLongError,
)
from app.services.confine import confine
from app.services.fetch.description import expected_bytes, is_one_file, of_info, with_file
from app.services.fetch.extractor_network import route_through
from app.services.fetch.fence import NetworkFence
from app.services.fetch.guard import Guard, check_link
from app.services.fetch.sniff import HEAD_BYTES, sniff

_ADDRESS_SPACE_BYTES = 4 << 30
_OPEN_FILES = 512
_PROGRESS_SECONDS = 0.25
_FRAGMENTS_AT_ONCE = 4
_MAX_TITLE_LENGTH = 500
_GROWTH_SECONDS = 10.0
_OWN_PAGE = 'data:text/html,<html><title>Reel</title><video src="https://example.invalid/a.mp4"></video></html>'


def preload() -> None:
    """Import yt-dlp without its plugins, and have it find the media in a page of our own, which asks nobody.

    So every extractor is imported, and what links and pages are matched against is compiled.
    """
    from yt_dlp.globals import plugin_dirs  # noqa: PLC0415 - before the rest of yt-dlp

    plugin_dirs.value = []
    from app.services.fetch import (  # noqa: PLC0415 - imports yt-dlp
        extractor_failures,  # noqa: F401
        extractor_pieces,  # noqa: F401
        extractor_session,
    )

    quietly = {"cachedir": False, "quiet": True, "no_warnings": True}
    with extractor_session.GuardedYoutubeDL(quietly) as downloader:
        downloader.extract_info(_OWN_PAGE, download=False)


def main() -> int:
    """Serve one job; exit code 0 whenever a result or an error was written."""
    job = json.loads(sys.stdin.buffer.readline())
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    confine(
        job["parent"],
        address_space=_ADDRESS_SPACE_BYTES,
        file_bytes=(job["max_bytes"] if job["task"] == "download" else 0) + (64 << 20),
        open_files=_OPEN_FILES,
        cpu_seconds=job["total_seconds"],
        network=True,
    )
    guard = Guard.of(**job["guard"])
    fence = NetworkFence(guard, roomy_program=job["deno"])
    fence.raise_up()
    report = _Reporter(answers)
    route_through(guard, report.on_refusal)
    try:
        check_link(job["url"])
        report.say(type="result", **(_describe if job["task"] == "describe" else _download)(job, report))
    except Exception as error:  # noqa: BLE001 - whatever went wrong must become a code
        from app.services.fetch.extractor_failures import failure_of  # noqa: PLC0415 - imports yt-dlp

        # yt-dlp may have made something else of a refusal.
        refusal = BlockedAddressError() if fence.refused else report.refusal
        failure = refusal or failure_of(error, report.found)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        retry_after = getattr(failure, "retry_after_seconds", None)
        report.say(type="error", code=failure.code, detail=failure.detail, retry_after_seconds=retry_after)
    return 0


class _Reporter:
    """Writes the messages, progress at most four times a second."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = Lock()
        self._next = 0.0
        self._finished_bytes = 0
        self.refusal: MediaError | None = None
        self.found = False
        """Whether extraction is over: what fails from now on is the download."""

    def say(self, **message: Any) -> None:
        with self._lock:
            self._stream.write(json.dumps(message) + "\n")
            self._stream.flush()

    def count_kept(self, count: int) -> None:
        """So many bytes are here already, of which yt-dlp will not tell."""
        self._finished_bytes = count

    def on_refusal(self, refusal: MediaError) -> MediaError:
        """Remember why this was stopped."""
        self.refusal = refusal
        return refusal

    @contextmanager
    def growing(self, folder: Path) -> Iterator[None]:
        """While the block runs, say so whenever the folder grows: a merge tells nothing of itself."""
        done = Event()

        def watch() -> None:
            seen = 0
            while not done.wait(_GROWTH_SECONDS):
                with suppress(OSError):  # a piece was just renamed
                    size = sum(path.stat().st_size for path in folder.iterdir())
                    if size != seen:
                        seen = size
                        self.say(type="growing")

        Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def on_progress(self, job: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
        """A yt-dlp progress hook: adds up the formats of one download, and stops it at the caps."""

        def hook(status: dict[str, Any]) -> None:
            done = self._finished_bytes + (status.get("downloaded_bytes") or 0)
            if done > job["max_bytes"]:
                raise self.on_refusal(TooLargeError())
            if (status.get("fragment_count") or 0) > job["max_playlist_entries"]:
                raise self.on_refusal(TooLongError("It has too many pieces."))
            if status["status"] == "finished":
                self._finished_bytes = done
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + _PROGRESS_SECONDS
                self.say(type="progress", done=done)

        return hook


def _describe(job: dict[str, Any], report: _Reporter) -> dict[str, Any]:
    """Say what there is before saying what speaks against it. Of a single file the first bytes are looked at."""
    from app.services.fetch.extractor_session import first_bytes  # noqa: PLC0415 - imports yt-dlp

    with _session(job, report) as downloader:
        info, entries = _extract(downloader, job)
        description = of_info(info, entries)
        report.say(type="described", media=description.model_dump())
        _check_info(info, job)
        report.found = True
        if is_one_file(info):
            head, length = first_bytes(downloader, info, HEAD_BYTES)
            if (length or 0) > job["max_bytes"]:
                raise TooLargeError
            media_type = sniff(head)
            if media_type is None:
                raise NotMediaError if head else EmptyContentError
            report.say(type="described", media=with_file(description, media_type, length).model_dump())
    return {}


def _download(job: dict[str, Any], report: _Reporter) -> dict[str, Any]:
    from app.services.fetch.extractor_pieces import keep_pieces  # noqa: PLC0415 - imports yt-dlp

    with _session(job, report) as downloader:
        info = _located(downloader, job, report)
        if is_one_file(info) or job["task"] == "find":
            return {}
        whole, begun = keep_pieces(downloader, Path(job["folder"]), info)
        report.count_kept(whole)
        report.say(type="found", total=expected_bytes(info), kept=whole + begun)
        with report.growing(Path(job["folder"])):
            done = downloader.process_ie_result(info, download=True)
    files = [Path(item["filepath"]) for item in done.get("requested_downloads") or () if item.get("filepath")]
    if len(files) != 1 or not files[0].is_file() or files[0].stat().st_size == 0:
        raise EmptyContentError
    if files[0].stat().st_size > job["max_bytes"]:
        raise TooLargeError
    return {"path": str(files[0]), "title": _title_of(info)}


def _located(downloader: Any, job: dict[str, Any], report: _Reporter) -> dict[str, Any]:
    """What is behind the link; where that is one file, the parent is told where it lies."""
    from app.services.fetch.extractor_session import headers_of  # noqa: PLC0415 - imports yt-dlp

    info, _ = _extract(downloader, job)
    _check_info(info, job)
    report.found = True
    if is_one_file(info):
        report.say(type="file", title=_title_of(info), url=info["url"], headers=headers_of(downloader, info))
    return info


def _title_of(info: dict[str, Any]) -> str:
    return str(info.get("title") or "")[:_MAX_TITLE_LENGTH]


def _session(job: dict[str, Any], report: _Reporter) -> Any:
    from app.services.fetch.extractor_session import GuardedYoutubeDL  # noqa: PLC0415 - imports yt-dlp

    return GuardedYoutubeDL(_options(job, report))


def _extract(downloader: Any, job: dict[str, Any]) -> tuple[dict[str, Any], int | None]:
    """What is behind the link, of a playlist its first entry; and how many entries that has."""
    info = downloader.extract_info(job["url"], download=False)
    entries = None
    while info and info.get("_type") in {"playlist", "multi_video"}:
        entries = entries or info.get("playlist_count")
        info = next((entry for entry in info.get("entries") or () if entry), None)
    if not info:
        raise EmptyContentError
    return info, entries


def _check_info(info: dict[str, Any], job: dict[str, Any]) -> None:
    from app.services.fetch.extractor_failures import refusal_of  # noqa: PLC0415 - imports yt-dlp

    refusal = refusal_of(info)
    if refusal is not None:
        raise refusal
    if (info.get("duration") or 0) > job["max_duration_seconds"]:
        raise TooLongError
    if (expected_bytes(info) or 0) > job["max_bytes"]:
        raise TooLargeError


class _Log:
    """What yt-dlp says goes to stderr, which the parent keeps the end of."""

    def debug(self, text: str) -> None:
        """Nothing: yt-dlp tells every step here."""

    info = debug

    def warning(self, text: str) -> None:
        sys.stderr.write(f"warning: {text}\n")

    def error(self, text: str) -> None:
        sys.stderr.write(f"error: {text}\n")


def _options(job: dict[str, Any], report: _Reporter) -> dict[str, Any]:
    """What browsers play first: H.264 and AAC in MP4, up to the height that is wanted."""
    from app.services.fetch.extractor_pieces import MEDIA  # noqa: PLC0415 - imports yt-dlp

    return {
        "format": "bv*+ba/b",
        "format_sort": [f"res:{job['max_height']}", "vcodec:h264", "acodec:aac", "ext:mp4:m4a"],
        "merge_output_format": "mp4/mkv",
        "outtmpl": {"default": f"{job['folder']}/{MEDIA}.%(ext)s"},
        "paths": {"home": job["folder"], "temp": job["folder"]},
        "noplaylist": True,
        "playlist_items": "1",
        "ignore_no_formats_error": True,
        "cachedir": False,
        "js_runtimes": {"deno": {"path": job["deno"]}},
        "remote_components": set(),
        "ffmpeg_location": job["ffmpeg"],
        "hls_prefer_native": True,
        "allow_unplayable_formats": False,
        "concurrent_fragment_downloads": _FRAGMENTS_AT_ONCE,
        "keep_fragments": True,
        "skip_unavailable_fragments": False,
        "retries": 2,
        "fragment_retries": 2,
        "extractor_retries": 1,
        "socket_timeout": job["read_seconds"],
        "progress_hooks": [report.on_progress(job)],
        "writethumbnail": False,
        "noprogress": True,
        "updatetime": False,
        "logger": _Log(),
    }

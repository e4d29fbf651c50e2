"""The extraction child: real yt-dlp against an origin on loopback."""

import hashlib
import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import psutil
import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from app.core.media_errors import (
    BlockedAddressError,
    ExtractorFailedError,
    LinkNotFoundError,
    LoginRequiredError,
    MediaError,
    RateLimitedError,
    ServerFaultError,
    TooLargeError,
    TooLongError,
    UnsupportedLinkError,
)
from app.demo.origin import Origin
from app.demo.samples import Samples
from app.services.fetch.exchange import Limits
from app.services.fetch.extract import Extraction, ExtractionProgress, extracted
from app.services.fetch.guard import Guard
from tests.servers import eventually, is_alive

LOOPBACK = ("127.0.0.1/32",)
PLENTY = 64 << 20


class Progress(ExtractionProgress):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.expected: list[int | None] = []
        self.fetched: list[int] = []
        super().__init__(lambda: None, self.expected.append, self.fetched.append)


class StoppedError(Exception):
    """What a test's `check` raises."""


@pytest.fixture
def origin(samples: Samples, tmp_path: Path) -> Iterator[Origin]:
    """Serves the samples from a folder that the test may write to."""
    with Origin(copytree(samples.folder, tmp_path / "site")) as origin:
        yield origin


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """The scratch folder; whatever a test did, nothing may be left in it, and no process that works in it."""
    folder = tmp_path / "scratch"
    yield folder
    assert not folder.exists() or list(folder.iterdir()) == []
    eventually(lambda: not children_in(folder), seconds=5, what="no child is left")


def children_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def extraction(url: str, scratch: Path, *, allow: tuple[str, ...] = LOOPBACK, max_bytes: int = PLENTY) -> Extraction:
    return Extraction(
        url=url,
        limits=Limits(max_bytes=max_bytes, total_seconds=60, read_seconds=5),
        guard=Guard.of(allow),
        max_duration_seconds=60,
        max_playlist_entries=1000,
        max_height=1080,
        scratch=scratch,
        keep_free_bytes=0,
    )


def code_of(job: Extraction) -> str:
    with pytest.raises(MediaError) as caught, extracted(job, Progress()) as source:
        deque(source.chunks, maxlen=0)
    return caught.value.code


@pytest.mark.parametrize("path", ["hls/master.m3u8", "dash/manifest.mpd"])
def test_media_in_pieces_is_put_together(origin: Origin, scratch: Path, path: str) -> None:
    progress = Progress()
    with extracted(extraction(origin.url(path), scratch), progress) as source:
        body = b"".join(source.chunks)
        assert source.media_type.content_type == "video/mp4"
        assert source.length == len(body)
        assert source.local
        assert not source.extracted
        assert list(scratch.iterdir())
    assert len(progress.expected) == 1
    assert progress.fetched
    assert progress.fetched == sorted(progress.fetched)


def test_file_behind_a_page_is_read_where_it_lies_and_under_the_pages_title(origin: Origin, scratch: Path) -> None:
    progress = Progress()
    with extracted(extraction(origin.url("watch.html"), scratch), progress) as source:
        assert source.extracted
        assert source.ranged is not None
        assert (progress.expected, progress.fetched) == ([source.length], [])
        assert origin.requests["clip.mp4"] == 1
        assert hashlib.sha256(b"".join(source.chunks)).hexdigest() == origin.sha256("clip.mp4")
        assert "Harbour at dusk" in source.filename
        assert source.filename.endswith(".mp4")


def test_page_that_asks_for_time_is_given_it(origin: Origin, scratch: Path) -> None:
    job = extraction(origin.url("status/429", retry_after=77), scratch)
    with pytest.raises(RateLimitedError) as caught, extracted(job, Progress()):
        pass
    assert caught.value.retry_after_seconds == 77


@pytest.mark.parametrize(
    ("max_height", "name"),
    [(4320, "clip.mp4"), (720, "clip.mp4"), (719, "tail.mp4"), (360, "tail.mp4"), (144, "tail.mp4")],
)
def test_best_picture_up_to_the_height_is_taken(origin: Origin, scratch: Path, max_height: int, name: str) -> None:
    offered = [f'<source src="{path}" label="{lines}p">' for path, lines in (("clip.mp4", 720), ("tail.mp4", 360))]
    (scratch.parent / "site/two.html").write_text(f"<title>Boats</title><video>{''.join(offered)}</video>")
    job = replace(extraction(origin.url("two.html"), scratch), max_height=max_height)
    with extracted(job, Progress()) as source:
        assert hashlib.sha256(b"".join(source.chunks)).hexdigest() == origin.sha256(name)


def test_page_without_media_is_unsupported(origin: Origin, scratch: Path) -> None:
    assert code_of(extraction(origin.url("article.html"), scratch)) == UnsupportedLinkError.code


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, LoginRequiredError),
        (404, LinkNotFoundError),
        (429, RateLimitedError),
        (500, ServerFaultError),
    ],
)
def test_pages_status_has_its_code(origin: Origin, scratch: Path, status: int, error: type[MediaError]) -> None:
    assert code_of(extraction(origin.url(f"status/{status}"), scratch)) == error.code


@pytest.mark.parametrize(
    "media",
    [
        "http://127.0.0.2:{port}/clip.mp4",
        "http://169.254.169.254/latest/clip.mp4",
        "http://[::ffff:127.0.0.1]:{port}/clip.mp4",
    ],
)
def test_page_whose_video_is_on_a_blocked_address_is_refused(origin: Origin, scratch: Path, media: str) -> None:
    link = media.format(port=origin.port)
    page = f'<html><title>Boats</title><body><video src="{link}" type="video/mp4"></video></body></html>'
    (scratch.parent / "site/trap.html").write_text(page)
    job = extraction(origin.url("trap.html"), scratch)
    assert code_of(job) == BlockedAddressError.code
    assert "clip.mp4" not in origin.requests


def test_page_on_a_blocked_address_is_refused(origin: Origin, scratch: Path) -> None:
    assert code_of(extraction(origin.url("watch.html"), scratch, allow=())) == BlockedAddressError.code
    assert origin.requests == {}


def test_redirect_of_the_page_to_a_blocked_address_is_refused(origin: Origin, scratch: Path) -> None:
    link = origin.url("redirect", to=f"http://127.0.0.2:{origin.port}/watch.html")
    assert code_of(extraction(link, scratch)) == BlockedAddressError.code
    assert set(origin.requests) == {"redirect"}


def test_playlist_whose_segments_are_on_a_blocked_address_is_refused(origin: Origin, scratch: Path) -> None:
    playlist = scratch.parent / "site/hls/media.m3u8"
    playlist.write_text(playlist.read_text().replace("segment", f"http://127.0.0.2:{origin.port}/hls/segment"))
    assert code_of(extraction(origin.url("hls/media.m3u8"), scratch)) == BlockedAddressError.code
    assert not [path for path in origin.requests if path.endswith(".ts")]


def test_playlist_that_would_be_handed_to_ffmpeg_reaches_no_blocked_address(origin: Origin, scratch: Path) -> None:
    playlist = scratch.parent / "site/hls/media.m3u8"
    key = f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="http://127.0.0.2:{origin.port}/key"\n'
    playlist.write_text(playlist.read_text().replace("#EXTINF", key + "#EXTINF", 1))
    with pytest.raises(MediaError), extracted(extraction(origin.url("hls/media.m3u8"), scratch), Progress()):
        pass
    assert "key" not in origin.requests


@pytest.mark.parametrize(("path", "cap"), [("hls/master.m3u8", 50_000), ("dash/manifest.mpd", 50_000),
                                           ("watch.html", 100_000)])  # fmt: skip
def test_cap_holds_behind_a_page_too(origin: Origin, scratch: Path, path: str, cap: int) -> None:
    assert code_of(extraction(origin.url(path), scratch, max_bytes=cap)) == TooLargeError.code


def test_cap_holds_where_no_length_is_declared(origin: Origin, scratch: Path) -> None:
    page = f'<html><title>Boats</title><video src="{origin.url("endless")}" type="video/mp4"></video></html>'
    (scratch.parent / "site/endless.html").write_text(page)
    assert code_of(extraction(origin.url("endless.html"), scratch, max_bytes=3 << 20)) == TooLargeError.code
    assert origin.bytes_sent["endless"] < 64 << 20


def test_media_longer_than_allowed_is_refused_before_its_download(origin: Origin, scratch: Path) -> None:
    playlist = scratch.parent / "site/hls/media.m3u8"
    playlist.write_text(playlist.read_text().replace("#EXTINF:2.", "#EXTINF:90."))
    assert code_of(extraction(origin.url("hls/media.m3u8"), scratch)) == TooLongError.code


@pytest.mark.parametrize("when", ["at once", "while downloading"])
def test_check_that_raises_stops_the_child(origin: Origin, scratch: Path, when: str) -> None:
    playlist = scratch.parent / "site/hls/media.m3u8"
    playlist.write_text(playlist.read_text().replace(".ts", ".ts?stall_after=2000"))
    progress = Progress()

    stopped_at: list[float] = []

    def check() -> None:
        if when == "at once" or any(path.endswith(".ts") for path in origin.bytes_sent):
            stopped_at.append(time.monotonic())
            raise StoppedError

    progress.check = check
    with pytest.raises(StoppedError), extracted(extraction(origin.url("hls/media.m3u8"), scratch), progress):
        pass
    assert time.monotonic() - stopped_at[0] < 2


def test_child_sees_no_secret_of_ours(origin: Origin, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "hidden-from-children")
    seen: list[str] = []
    progress = Progress()

    def look() -> None:
        for process in children_in(scratch):
            with suppress(psutil.Error):
                seen.append(json.dumps(process.environ()) + json.dumps(process.cmdline()))

    progress.check = look
    with extracted(extraction(origin.url("watch.html"), scratch), progress):
        pass
    assert seen
    assert not any("hidden-from-children" in one for one in seen)


def test_file_that_only_claims_to_be_media_is_not_stored(origin: Origin, scratch: Path) -> None:
    link = origin.url("bytes/5000")
    (scratch.parent / "site/claim.html").write_text(
        f'<html><title>Boats</title><video src="{link}" type="video/mp4"></video></html>'
    )
    codes = {"media.not_media", ExtractorFailedError.code, UnsupportedLinkError.code}
    assert code_of(extraction(origin.url("claim.html"), scratch)) in codes


def test_redirects_of_the_media_are_counted(origin: Origin, scratch: Path) -> None:
    page = f'<html><title>Boats</title><video src="{origin.url("redirect/loop")}" type="video/mp4"></video></html>'
    (scratch.parent / "site/loop.html").write_text(page)
    assert code_of(extraction(origin.url("loop.html"), scratch)) == UnsupportedLinkError.code
    assert origin.requests["redirect/loop"] <= 2 * (Guard().max_redirects + 1)


@pytest.mark.parametrize(("media", "code"), [("ftp://127.0.0.1:{port}/clip.mp4", "link.invalid"),
                                             ("ws://127.0.0.1:{port}/clip.mp4", "link.invalid")])  # fmt: skip
def test_media_by_another_scheme_is_refused(origin: Origin, scratch: Path, media: str, code: str) -> None:
    page = f'<html><title>Boats</title><video src="{media.format(port=origin.port)}" type="video/mp4"></video></html>'
    (scratch.parent / "site/other.html").write_text(page)
    assert code_of(extraction(origin.url("other.html"), scratch)) == code
    assert set(origin.requests) == {"other.html"}


def test_ffmpeg_merges_local_files_only_and_without_a_network(
    origin: Origin, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, wrapper = tmp_path / "notes", tmp_path / "ffmpeg"
    wrapper.write_text(f'#!/bin/sh\necho "$(readlink /proc/self/ns/net) $@" >> {notes}\nexec {get_ffmpeg_exe()} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(wrapper))
    with extracted(extraction(origin.url("dash/manifest.mpd"), scratch), Progress()) as source:
        assert source.media_type.content_type == "video/mp4"
    merges = [line for line in notes.read_text().splitlines() if " -i " in line]
    assert merges
    for line in merges:
        assert line.count(" -i ") == line.count("-protocol_whitelist file,pipe -i file:")
        assert "://" not in line
    assert Path("/proc/self/ns/net").readlink().name not in notes.read_text()


def test_what_a_program_of_the_child_left_running_ends_with_the_child(
    origin: Origin, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, wrapper = tmp_path / "notes", tmp_path / "ffmpeg"
    wrapper.write_text(
        f'#!/bin/sh\nsleep 600 > {tmp_path / "null"} 2>&1 &\necho $! >> {notes}\nexec {get_ffmpeg_exe()} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(wrapper))
    with extracted(extraction(origin.url("dash/manifest.mpd"), scratch), Progress()):
        pass
    left = [int(pid) for pid in notes.read_text().split()]
    assert left
    eventually(lambda: not any(map(runs, left)), seconds=5, what="nothing of it runs")


def runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and is_alive(psutil.Process(pid))

"""The extraction child: real yt-dlp against an origin on loopback."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shutil import copytree

import psutil
import pytest

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
from tests.servers import eventually, shared_samples

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


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return shared_samples(tmp_path_factory)


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
        allow_networks=allow,
        max_duration_seconds=60,
        max_height=1080,
        scratch=scratch,
    )


def code_of(job: Extraction) -> str:
    with pytest.raises(MediaError) as caught, extracted(job, Progress()):
        pass
    return caught.value.code


@pytest.mark.parametrize("path", ["hls/master.m3u8", "dash/manifest.mpd", "watch.html"])
def test_media_behind_a_page_or_manifest_is_downloaded(origin: Origin, scratch: Path, path: str) -> None:
    progress = Progress()
    with extracted(extraction(origin.url(path), scratch), progress) as source:
        body = b"".join(source.chunks)
        assert source.media_type.content_type == "video/mp4"
        assert source.length == len(body)
        assert source.local
        assert list(scratch.iterdir())
    assert len(progress.expected) == 1
    assert progress.fetched
    assert progress.fetched == sorted(progress.fetched)


def test_file_behind_a_page_comes_unchanged_and_under_the_pages_title(origin: Origin, scratch: Path) -> None:
    with extracted(extraction(origin.url("watch.html"), scratch), Progress()) as source:
        assert hashlib.sha256(b"".join(source.chunks)).hexdigest() == origin.sha256("clip.mp4")
        assert "Harbour at dusk" in source.filename
        assert source.filename.endswith(".mp4")


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
    site = scratch.parent / "site"
    link = origin.url("clip.mp4", stall_after=200_000)
    (site / "slow.html").write_text(f'<html><title>Boats</title><video src="{link}" type="video/mp4"></video></html>')
    progress = Progress()

    stopped_at: list[float] = []

    def check() -> None:
        if when == "at once" or origin.bytes_sent.get("clip.mp4", 0) >= 200_000:
            stopped_at.append(time.monotonic())
            raise StoppedError

    progress.check = check
    with pytest.raises(StoppedError), extracted(extraction(origin.url("slow.html"), scratch), progress):
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


@pytest.mark.parametrize(
    "act",
    [
        "socket.socket().connect(('127.0.0.2', 9))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('10.0.0.1', 53))",
        "socket.getaddrinfo('localhost', 9)",
        "socket.create_connection(('169.254.169.254', 80), 1)",
        "subprocess.run([sys.executable, '-c', 'pass', 'http://example.com/a'])",
        "os.system('true')",
    ],
)
def test_fence_stops_whatever_would_lead_around_the_guard(act: str) -> None:
    program = (
        "import os, socket, subprocess, sys\n"
        "from app.services.fetch.fence import NetworkFence\n"
        "from app.services.fetch.guard import Guard\n"
        f"NetworkFence(Guard(), '').raise_up()\ntry:\n    {act}\n"
        "except Exception as error:\n    sys.exit(type(error).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert done.stderr.strip() in {"BlockedAddressError", "PermissionError"}
    assert done.returncode == 1

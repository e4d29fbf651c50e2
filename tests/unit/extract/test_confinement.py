"""What an extraction child is kept from: addresses, sizes, secrets, a life of its own."""

import json
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from app.core.media_errors import (
    BlockedAddressError,
    ExtractorFailedError,
    MediaError,
    TooLargeError,
    TooLongError,
    UnsupportedLinkError,
)
from app.demo.origin import Origin
from app.services.fetch.extract import extracted
from app.services.fetch.guard import Guard
from tests.servers import eventually, is_alive
from tests.unit.extract.extracting import Progress, StoppedError, children_in, code_of, extraction


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
    with extracted(extraction(origin.url("watch.html", delay_ms=500), scratch), progress):
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

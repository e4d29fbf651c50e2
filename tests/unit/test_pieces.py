"""What yt-dlp downloads in pieces: an attempt that broke off is gone on with on the same machine, and never mixed."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from shutil import copytree

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from app.demo.origin import Origin
from app.demo.samples import Samples
from app.services.fetch.extract import ExtractionProgress, extracted
from app.services.fetch.scratch import job_folder, job_name, sweep_scratch
from app.services.fetch.source import Source
from tests.unit.extract.extracting import extraction

HLS, DASH, FILES = "hls/media.m3u8", "dash/manifest.mpd", "dash/files.mpd"
NAME = job_name("scene", 3)
RATE = 60_000
"""Bytes a second, so that a file is found half fetched."""

FILES_MPD = """\
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT6S" profiles="x">
<Period>
<AdaptationSet contentType="video" mimeType="video/mp4"><Representation id="v" bandwidth="700000" codecs="avc1.64001e"
 width="640" height="360"><BaseURL>{video}</BaseURL></Representation></AdaptationSet>
<AdaptationSet contentType="audio" mimeType="audio/mp4"><Representation id="a" bandwidth="96000" codecs="mp4a.40.2">
<BaseURL>{audio}</BaseURL></Representation></AdaptationSet>
</Period>
</MPD>
"""


class BrokenOffError(Exception):
    """What an attempt ends with that does not end well."""


@pytest.fixture
def site(samples: Samples, tmp_path: Path) -> Path:
    folder = copytree(samples.folder, tmp_path / "site")
    for name, leave_out in (("video.mp4", "-an"), ("audio.m4a", "-vn")):
        command = [get_ffmpeg_exe(), "-v", "error", "-i", folder / "clip.mp4", leave_out, "-c", "copy"]
        subprocess.run([*command, "-f", "mp4", folder / "dash" / name], check=True)
    return folder


@pytest.fixture
def origin(site: Path) -> Iterator[Origin]:
    with Origin(site) as origin:
        (site / FILES).write_text(FILES_MPD.format(video="video.mp4", audio="audio.m4a"))
        yield origin


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@contextmanager
def fetching(origin: Origin, path: str, scratch: Path, check: Callable[[], None]) -> Iterator[tuple[Source, list[int]]]:
    """What comes, and how many bytes of it had been kept."""
    kept: list[int] = []
    job = replace(extraction(origin.url(path), scratch), name=NAME)
    progress = ExtractionProgress(check, lambda _: None, lambda _: None, kept=kept.append)
    with extracted(job, progress) as source:
        assert source.local
        yield source, kept


def fetch(origin: Origin, path: str, scratch: Path, *, until: Callable[[], bool] = lambda: False) -> tuple[str, int]:
    """The SHA-256 of what came, and how many bytes of it had been kept; broken off as soon as `until` is true."""

    def check() -> None:
        if until():
            raise BrokenOffError

    with fetching(origin, path, scratch, check) as (source, kept):
        return sha256(b"".join(source.chunks)).hexdigest(), sum(kept)


def store_in_vain(origin: Origin, path: str, scratch: Path) -> tuple[str, int | None]:
    """The SHA-256 and the length of what came, and could not be stored."""
    with suppress(BrokenOffError), fetching(origin, path, scratch, lambda: None) as (source, _):
        come = sha256(b"".join(source.chunks)).hexdigest(), source.length
        raise BrokenOffError
    return come


def break_off(origin: Origin, path: str, scratch: Path, until: Callable[[Path], bool]) -> Path:
    """The folder of an attempt that was killed as soon as `until` was true of it."""
    folder = scratch / f"job-{NAME}"
    with pytest.raises(BrokenOffError):
        fetch(origin, path, scratch, until=lambda: folder.exists() and until(folder))
    return folder


def change(site: Path, path: str, old: str, new: str) -> None:
    text = (site / path).read_text()
    assert old in text
    (site / path).write_text(text.replace(old, new))


def fragments(folder: Path) -> list[Path]:
    """The fragments that are whole."""
    return [file for file in folder.iterdir() if file.name.rpartition("-Frag")[2].isdigit()]


def two_fragments(folder: Path) -> bool:
    return len(fragments(folder)) == 2


@pytest.fixture
def broken_off(site: Path, origin: Origin, scratch: Path) -> Path:
    """A playlist's download of which two fragments of three are there; the third comes from now on."""
    change(site, HLS, "segment2.ts", "segment2.ts?stall_after=0")
    folder = break_off(origin, HLS, scratch, two_fragments)
    change(site, HLS, "segment2.ts?stall_after=0", "segment2.ts")
    return folder


@pytest.fixture
def whole(samples: Samples, scratch: Path) -> str:
    """What the playlist's download gives where nothing breaks it off."""
    with Origin(samples.folder) as origin:
        return fetch(origin, HLS, scratch.with_name("other"))[0]


def test_fragments_that_came_are_not_fetched_again(origin: Origin, scratch: Path, broken_off: Path, whole: str) -> None:
    size = sum(file.stat().st_size for file in fragments(broken_off))
    assert fetch(origin, HLS, scratch) == (whole, size)
    assert [origin.requests[f"hls/segment{number}.ts"] for number in range(3)] == [1, 1, 2]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("name", ["media.mp4.part", "media.mp4.ytdl", "media.temp.mp4", "media.mp4.part-Frag3.part"])
def test_what_was_half_made_is_made_anew(
    origin: Origin, scratch: Path, broken_off: Path, whole: str, name: str
) -> None:
    """Killed after a fragment was appended and before that was noted, say."""
    for file in broken_off.glob("*.ytdl"):
        file.unlink()
    (broken_off / name).write_bytes(fragments(broken_off)[0].read_bytes())
    assert fetch(origin, HLS, scratch)[0] == whole


@pytest.mark.parametrize("new", ["#EXTINF:1.900000", "#EXT-X-DISCONTINUITY\n#EXTINF:2.000000"])
def test_another_playlist_is_begun_anew(site: Path, origin: Origin, scratch: Path, broken_off: Path, new: str) -> None:
    assert broken_off.exists()
    change(site, HLS, "#EXTINF:2.000000", new)
    assert fetch(origin, HLS, scratch)[1] == 0
    assert [origin.requests[f"hls/segment{number}.ts"] for number in range(3)] == [2, 2, 2]


def test_nothing_is_kept_over_a_crash_of_the_machine(origin: Origin, scratch: Path, broken_off: Path) -> None:
    plan = broken_off / ".plan"
    plan.write_text(plan.read_text().replace(Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "another"))
    assert fetch(origin, HLS, scratch)[1] == 0


def test_format_that_came_is_not_fetched_again(site: Path, origin: Origin, scratch: Path) -> None:
    expected, _ = fetch(origin, DASH, scratch)
    before = origin.requests
    change(site, DASH, ".m4s", f".m4s?rate={RATE // 4}")
    folder = break_off(origin, DASH, scratch, lambda folder: bool(list(folder.glob("media.f1.m4a.part"))))
    change(site, DASH, f".m4s?rate={RATE // 4}", ".m4s")
    video = folder / "media.f0.mp4"
    audio = [file for file in fragments(folder) if file.name.startswith("media.f1.m4a")]
    kept = sum(file.stat().st_size for file in [video, *audio])
    assert fetch(origin, DASH, scratch) == (expected, kept)
    assert all(origin.requests[name] == 1 + count for name, count in before.items() if "stream0" in name)


def test_file_that_is_half_here_is_gone_on_with(site: Path, origin: Origin, scratch: Path) -> None:
    expected, _ = fetch(origin, FILES, scratch)
    size = (site / "dash/video.mp4").stat().st_size
    begun = break_off_files(site, origin, scratch)
    with Origin(site) as again:
        assert fetch(again, FILES, scratch) == (expected, begun)
        assert again.bytes_sent["dash/video.mp4"] == size - begun + 1  # a byte tells whether it is the same file


def test_file_that_changed_is_begun_anew(site: Path, origin: Origin, scratch: Path) -> None:
    begun = break_off_files(site, origin, scratch)
    assert begun
    video = site / "dash/video.mp4"
    shorter = [get_ffmpeg_exe(), "-v", "error", "-y", "-i", site / "clip.mp4", "-an", "-t", "2", "-f", "mp4", video]
    subprocess.run(shorter, check=True)
    digest, kept = fetch(origin, FILES, scratch)
    assert kept == 0
    assert digest == fetch(origin, FILES, scratch)[0]


def break_off_files(site: Path, origin: Origin, scratch: Path) -> int:
    """The bytes that are here of a video whose download broke off."""
    change(site, FILES, "video.mp4", f"video.mp4?rate={RATE}")

    def is_begun(folder: Path) -> bool:
        return any(file.stat().st_size > RATE // 2 for file in folder.glob("*.part"))

    [part] = break_off(origin, FILES, scratch, is_begun).glob("*.part")
    change(site, FILES, f"video.mp4?rate={RATE}", "video.mp4")
    return part.stat().st_size


@pytest.mark.parametrize("path", [HLS, DASH, FILES])
def test_media_that_was_whole_is_not_fetched_again(site: Path, origin: Origin, scratch: Path, path: str) -> None:
    expected = store_in_vain(origin, path, scratch)
    with Origin(site) as again:
        assert fetch(again, path, scratch) == expected
        assert sum(count for name, count in again.bytes_sent.items() if not name.endswith((".m3u8", ".mpd"))) <= 2


def test_folder_that_somebody_works_in_is_left_to_them(origin: Origin, scratch: Path, broken_off: Path) -> None:
    with job_folder(scratch, NAME) as held:
        assert held == broken_off
        assert fetch(origin, HLS, scratch)[1] == 0
        assert fragments(held)


def test_folder_of_a_job_that_nobody_waits_for_is_swept(scratch: Path, broken_off: Path) -> None:
    sweep_scratch(scratch, lambda scene_id, generation: (scene_id, generation) == ("scene", 3))
    assert broken_off.exists()
    with job_folder(scratch, NAME):
        sweep_scratch(scratch, lambda *_: False)
    assert list(scratch.iterdir()) == []

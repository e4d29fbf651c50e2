"""Sample media of every kind that Takeup stores, made by ffmpeg: the same pictures and tones every time."""

import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

WATCH_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Harbour at dusk - Sample Videos</title>
<meta property="og:title" content="Harbour at dusk">
<meta property="og:type" content="video.other">
<meta property="og:description" content="Five seconds of a test pattern that pretends to be a harbour.">
</head>
<body>
<h1>Harbour at dusk</h1>
<video controls width="1280" height="720" poster="photo.jpg"><source src="clip.mp4" type="video/mp4"></video>
<p>Five seconds of a test pattern that pretends to be a harbour.</p>
</body>
</html>
"""

ARTICLE_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>A short history of the take-up reel</title>
</head>
<body>
<article>
<h1>A short history of the take-up reel</h1>
<p>A film projector has two reels. The supply reel gives the film, the take-up reel winds it up again.</p>
<p>When the take-up reel stops, the film runs onto the floor, and the evening is over.</p>
</article>
</body>
</html>
"""

_QUIET = ("-v", "error", "-nostdin", "-y")
_SAME_EVERY_TIME = ("-threads", "1", "-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1")
_H264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "50", "-sc_threshold", "0")
_AAC = ("-c:a", "aac", "-b:a", "96k")


def _pattern(size: str, seconds: int, rate: int = 25) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}")


def _tone(hertz: int, seconds: int) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"sine=frequency={hertz}:sample_rate=48000:duration={seconds}")


# Inputs, then the encoding and the output of each ffmpeg run, the dearest first: two cores end together.
_RECIPES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        _pattern("1280x720", 5) + _tone(440, 5),
        (*_H264, *_AAC, "-movflags", "+faststart", "clip.mp4"),
    ),
    (
        _pattern("640x360", 6) + _tone(330, 6),
        (*_H264, *_AAC, "-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod",
         "-master_pl_name", "master.m3u8", "-hls_segment_filename", "hls/segment%d.ts", "hls/media.m3u8"),
    ),
    (
        _pattern("640x360", 6) + _tone(550, 6),
        (*_H264, *_AAC, "-f", "dash", "-seg_duration", "2",
         "-adaptation_sets", "id=0,streams=v id=1,streams=a", "dash/manifest.mpd"),
    ),
    (
        _pattern("640x360", 4) + _tone(660, 4),
        (*_H264, *_AAC, "tail.mp4"),
    ),
    (
        _pattern("640x360", 4) + _tone(220, 4),
        ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "600k",
         "-c:a", "libopus", "clip.webm"),
    ),
    (_pattern("320x180", 3, rate=10), ("-loop", "0", "loop.gif")),
    (_pattern("1920x1080", 1), ("-frames:v", "1", "-update", "1", "-q:v", "3", "photo.jpg")),
    (_tone(440, 5), ("-c:a", "libmp3lame", "-b:a", "128k", "-metadata", "title=Concert pitch", "tone.mp3")),
)  # fmt: skip


@dataclass(frozen=True)
class Samples:
    """Where each sample is. `folder` holds them all and is what an origin serves."""

    folder: Path
    clip: Path
    """clip.mp4: H.264 and AAC, 1280x720, 5 s, moov at the front."""
    tail: Path
    """tail.mp4: H.264 and AAC, 640x360, 4 s, moov at the end."""
    webm: Path
    """clip.webm: VP8 and Opus, 640x360, 4 s."""
    tone: Path
    """tone.mp3: 5 s."""
    photo: Path
    """photo.jpg: 1920x1080."""
    loop: Path
    """loop.gif: animated, 320x180, 3 s."""
    hls: Path
    """hls/master.m3u8: one variant, 640x360, 6 s in three segments."""
    dash: Path
    """dash/manifest.mpd: video and audio apart, 640x360, 6 s in three segments each."""
    watch: Path
    """watch.html: a page whose video element plays clip.mp4."""
    article: Path
    """article.html: a page of text."""


def make_samples(folder: Path) -> Samples:
    """Make the samples in `folder`, or leave them as they are where all of them are there already.

    They are made beside it and moved in file by file, so no file is ever seen half written and two processes
    may do this at once. Raises subprocess.CalledProcessError, with ffmpeg's words as a note, if ffmpeg fails.
    """
    samples = _samples_in(folder)
    if all(path.is_file() for path in vars(samples).values() if path != folder):
        return samples
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as making:
        _make_all(Path(making))
        # In the order of their names the manifests follow their segments, and watch.html is the last of all:
        # a folder that has every named file is complete.
        for made in sorted(path for path in Path(making).rglob("*") if path.is_file()):
            target = folder / made.relative_to(making)
            target.parent.mkdir(exist_ok=True)
            made.replace(target)
    return samples


def _samples_in(folder: Path) -> Samples:
    return Samples(
        folder=folder,
        clip=folder / "clip.mp4",
        tail=folder / "tail.mp4",
        webm=folder / "clip.webm",
        tone=folder / "tone.mp3",
        photo=folder / "photo.jpg",
        loop=folder / "loop.gif",
        hls=folder / "hls" / "master.m3u8",
        dash=folder / "dash" / "manifest.mpd",
        watch=folder / "watch.html",
        article=folder / "article.html",
    )


def _make_all(folder: Path) -> None:
    (folder / "hls").mkdir()
    (folder / "dash").mkdir()
    (folder / "watch.html").write_text(WATCH_HTML, encoding="utf-8")
    (folder / "article.html").write_text(ARTICLE_HTML, encoding="utf-8")
    with ThreadPoolExecutor(max_workers=2) as pool:
        for done in [pool.submit(_run_ffmpeg, folder, *recipe) for recipe in _RECIPES]:
            done.result()


def _run_ffmpeg(folder: Path, inputs: tuple[str, ...], output: tuple[str, ...]) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *_QUIET, *inputs, *_SAME_EVERY_TIME, *output]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        error.add_note(str(error.stderr))
        raise

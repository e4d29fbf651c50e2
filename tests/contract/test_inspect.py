"""The inspection child, reading objects of a real bucket."""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import run
from typing import Any

import psutil
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from app.core.media_errors import MalformedMediaError, MediaError, NotMediaError, TooLongError, UnsafeMediaError
from app.demo.samples import Samples
from app.services.process.inspect import Inspection, inspect
from app.services.storage.bucket import Bucket
from tests.contract.conftest import Place
from tests.servers import eventually

HOUR = 3600


class Inspector:
    """Puts bytes into the bucket and inspects them."""

    def __init__(self, bucket: Bucket, place: Place) -> None:
        self.bucket = bucket
        self.key = place.key(1, "original.bin")

    def __call__(self, body: bytes, max_seconds: int = HOUR) -> Inspection:
        self.bucket.put(self.key, body, "application/octet-stream", only_new=False)
        return inspect(self.bucket, self.key, len(body), max_seconds, lambda: None)


@pytest.fixture
def inspector(bucket: Bucket, place: Place) -> Iterator[Inspector]:
    yield Inspector(bucket, place)
    eventually(lambda: not inspections(), seconds=5, what="no inspection child is left")


def inspections() -> list[psutil.Process]:
    """The children at work; the server that they are forked from stays."""
    found = []
    for server in psutil.Process().children():
        with suppress(psutil.Error):
            if "app.services.process.inspector" in server.cmdline():
                found += server.children()
    return found


def poster_of(found: Inspection) -> Image.Image:
    assert found.poster is not None
    poster = Image.open(io.BytesIO(found.poster))
    assert (poster.format, poster.size) == ("WEBP", (found.poster_width, found.poster_height))
    assert poster.width <= 640
    poster.load()
    return poster


@pytest.mark.parametrize(
    ("name", "expected", "poster"),
    [
        ("clip", {"kind": "video", "duration_s": 5, "width": 1280, "height": 720, "fps": 25.0, "rotation": 0,
                  "video_codec": "h264", "audio_codec": "aac"}, (640, 360)),
        ("tail", {"kind": "video", "duration_s": 4, "width": 640, "height": 360}, (640, 360)),
        ("webm", {"kind": "video", "duration_s": 4, "video_codec": "vp8", "audio_codec": "opus"}, (640, 360)),
        ("tone", {"kind": "audio", "duration_s": 5, "width": None, "height": None, "video_codec": None}, None),
        ("photo", {"kind": "image", "duration_s": None, "width": 1920, "height": 1080, "fps": None}, (640, 360)),
        ("loop", {"kind": "image", "duration_s": 3, "width": 320, "height": 180}, (320, 180)),
    ],
)  # fmt: skip
def test_sample_is_described(
    inspector: Inspector, samples: Samples, name: str, expected: dict[str, Any], poster: tuple[int, int] | None
) -> None:
    found = inspector(getattr(samples, name).read_bytes())
    duration = found.probe["duration_s"]
    assert found.probe | {"duration_s": round(duration) if duration else duration} == found.probe | expected
    if poster is None:
        assert found.poster is None
    else:
        assert poster_of(found).size == poster


@pytest.mark.parametrize(("turn", "rotation"), [("90", 270), ("180", 180), ("270", 90)])
def test_turned_video_is_described_as_it_is_shown(
    inspector: Inspector, samples: Samples, tmp_path: Path, turn: str, rotation: int
) -> None:
    turned = tmp_path / "turned.mp4"
    command = [get_ffmpeg_exe(), "-v", "error", "-display_rotation", turn, "-i", str(samples.tail), "-c", "copy"]
    run([*command, str(turned)], check=True, capture_output=True)
    found = inspector(turned.read_bytes())
    upright = rotation == 180
    assert found.probe["rotation"] == rotation
    assert (found.probe["width"], found.probe["height"]) == ((640, 360) if upright else (360, 640))
    picture = poster_of(found)
    assert picture.size == ((640, 360) if upright else (360, 640))
    # Turned back, it is the picture of the sample itself: the same colour in each corner.
    plain = poster_of(inspector(samples.tail.read_bytes())).convert("RGB")
    back = picture.convert("RGB").rotate(rotation, expand=True)
    for at in ((20, 60), (600, 60), (20, 300), (600, 300)):
        assert all(abs(a - b) < 70 for a, b in zip(pixel(plain, at), pixel(back, at), strict=True)), at


def pixel(picture: Image.Image, at: tuple[int, int]) -> tuple[int, ...]:
    found = picture.getpixel(at)
    assert isinstance(found, tuple)
    return found


def png(width: int, height: int, *, whole: bool = True) -> bytes:
    """A black PNG of that size in 1 bit a pixel, or one whose header declares it and that has hardly any data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(bytes((width // 8 + 1) * height if whole else 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_001, 12_000, 20_000, 30_000])
def test_picture_of_enormous_dimensions_is_unsafe(inspector: Inspector, side: int) -> None:
    with pytest.raises(UnsafeMediaError):
        inspector(png(side, side))


def test_picture_that_declares_enormous_dimensions_is_unsafe(inspector: Inspector) -> None:
    with pytest.raises(UnsafeMediaError):
        inspector(png(100_000, 100_000, whole=False))


def test_photo_of_enormous_dimensions_is_unsafe(inspector: Inspector) -> None:
    photo = io.BytesIO()
    Image.new("L", (12_000, 12_000)).save(photo, "JPEG")
    with pytest.raises(UnsafeMediaError):
        inspector(photo.getvalue())


@pytest.mark.parametrize("side", [12_000, 65_535])
def test_gif_that_declares_enormous_dimensions_is_unsafe(inspector: Inspector, samples: Samples, side: int) -> None:
    body = bytearray(samples.loop.read_bytes())
    body[6:10] = struct.pack("<HH", side, side)
    with pytest.raises(UnsafeMediaError):
        inspector(bytes(body))


def test_large_picture_within_the_cap_is_taken(inspector: Inspector) -> None:
    found = inspector(png(6_000, 4_000))
    assert (found.probe["kind"], found.probe["width"], found.probe["height"]) == ("image", 6000, 4000)
    assert poster_of(found).size == (640, 427)


def test_garbage_is_malformed(inspector: Inspector, samples: Samples) -> None:
    noise = bytes(range(256)) * 400
    for body in (
        noise,
        b"\x00\x00\x00\x18ftypisom" + noise,
        b"\x1a\x45\xdf\xa3" + noise,
        b"\xff\xd8\xff" + noise,
        b"x",
    ):
        with pytest.raises((MalformedMediaError, NotMediaError)):
            inspector(body)


@pytest.mark.parametrize("name", ["tail", "photo", "clip"])
def test_front_of_a_file_gives_a_probe_or_a_code(inspector: Inspector, samples: Samples, name: str) -> None:
    body = getattr(samples, name).read_bytes()
    for length in (12, 600, len(body) // 2):
        with suppress(MediaError):
            assert inspector(body[:length]).probe["kind"] in {"video", "image"}


def test_file_whose_index_was_cut_off_is_malformed(inspector: Inspector, samples: Samples) -> None:
    body = samples.tail.read_bytes()
    with pytest.raises(MalformedMediaError):
        inspector(body[: len(body) // 2])


@pytest.mark.parametrize(
    "text",
    [
        "<html><body>Sign in</body></html>",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '/etc/passwd'\n",
        "<svg xmlns='http://www.w3.org/2000/svg'></svg>",
    ],
)
def test_text_is_no_media_whatever_it_points_at(inspector: Inspector, text: str) -> None:
    with pytest.raises((MalformedMediaError, NotMediaError)):
        inspector(text.encode())


def test_media_longer_than_allowed_is_too_long(inspector: Inspector, samples: Samples) -> None:
    body = samples.tone.read_bytes()
    with pytest.raises(TooLongError):
        inspector(body, max_seconds=4)
    assert inspector(body, max_seconds=6).probe["kind"] == "audio"


def test_check_that_raises_stops_the_child(inspector: Inspector, samples: Samples) -> None:
    class StoppedError(Exception):
        pass

    def check() -> None:
        raise StoppedError

    body = samples.clip.read_bytes()
    inspector.bucket.put(inspector.key, body, "video/mp4")
    with pytest.raises(StoppedError):
        inspect(inspector.bucket, inspector.key, len(body), HOUR, check)

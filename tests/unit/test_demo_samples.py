"""The samples are what their names say."""

import io

import av
import pytest

from app.demo.samples import Samples, make_samples

SAMPLE_STREAMS = [
    ("clip.mp4", {"video": "h264", "audio": "aac"}),
    ("tail.mp4", {"video": "h264", "audio": "aac"}),
    ("clip.webm", {"video": "vp8", "audio": "opus"}),
    ("tone.mp3", {"audio": "mp3float"}),
    ("photo.jpg", {"video": "mjpeg"}),
    ("loop.gif", {"video": "gif"}),
    ("hls/master.m3u8", {"video": "h264", "audio": "aac"}),
]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return make_samples(tmp_path_factory.mktemp("samples"))


@pytest.mark.parametrize(("name", "codecs"), SAMPLE_STREAMS)
def test_sample_decodes(samples: Samples, name: str, codecs: dict[str, str]) -> None:
    with av.open(str(samples.folder / name)) as media:
        found = {stream.type: stream.codec_context.name for stream in media.streams}
        assert found == codecs
        assert next(media.decode(media.streams[0]), None) is not None


@pytest.mark.parametrize(("number", "codec"), [(0, "h264"), (1, "aac")])
def test_dash_representation_decodes(samples: Samples, number: int, codec: str) -> None:
    # PyAV's FFmpeg is built without libxml2 and so cannot read the manifest itself.
    folder = samples.dash.parent
    pieces = [folder / f"init-stream{number}.m4s", *sorted(folder.glob(f"chunk-stream{number}-*.m4s"))]
    assert len(pieces) > 2
    whole = io.BytesIO(b"".join(piece.read_bytes() for piece in pieces))
    with av.open(whole, mode="r") as media:
        assert [stream.codec_context.name for stream in media.streams] == [codec]
        assert next(media.decode(media.streams[0]), None) is not None


def test_moov_is_in_front_in_one_mp4_and_behind_in_the_other(samples: Samples) -> None:
    clip, tail = samples.clip.read_bytes(), samples.tail.read_bytes()
    assert clip.index(b"moov") < clip.index(b"mdat")
    assert tail.index(b"moov") > tail.index(b"mdat")


def test_gif_moves(samples: Samples) -> None:
    with av.open(str(samples.loop)) as media:
        assert len({bytes(frame.to_rgb().planes[0]) for frame in media.decode(video=0)}) > 1


def test_complete_folder_is_left_as_it_is(samples: Samples) -> None:
    before = {path: path.stat().st_mtime_ns for path in samples.folder.rglob("*")}
    assert make_samples(samples.folder) == samples
    assert {path: path.stat().st_mtime_ns for path in samples.folder.rglob("*")} == before

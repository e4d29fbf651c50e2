"""What is told of a link: a stranger's words and numbers, cleaned and bounded."""

from typing import Any

import pytest

from app.core.errors import ResolutionTimeoutError
from app.models.resolution import MAX_FORMATS, MediaDescription, MediaFormat, Resolution
from app.services.fetch import description
from app.services.fetch.sniff import M4A, MP4, MediaType
from app.services.fetch.source import Source

PICTURE = {"format_id": "137", "vcodec": "avc1", "acodec": "none", "height": 1080, "fps": 25, "filesize": 900}
SOUND = {"format_id": "140", "vcodec": "none", "acodec": "mp4a", "filesize_approx": 100}
BOTH = {"format_id": "18", "vcodec": "avc1", "acodec": "mp4a", "height": 360, "filesize": 500, "ext": "mp4"}
STORYBOARD = {"format_id": "sb0", "vcodec": "none", "acodec": "none"}


def info(**more: Any) -> dict[str, Any]:
    formats = [STORYBOARD, SOUND, BOTH, PICTURE]
    merged = {"format_id": "137+140", "requested_formats": [PICTURE, SOUND], "ext": "mp4", "formats": formats}
    return {"title": "Harbour", "duration": 5, **merged, **more}


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Harbour at dusk", "Harbour at dusk"),
        ("  two\n\tlines ", "two lines"),
        ("\u202egnp.exe\x00\x1b[31m", "gnp.exe[31m"),
        ("half a \ud800 pair", "half a  pair"),
        ("x" * 10_000_000, "x" * 500),
        ("\u200b", None),
        (["a", "list"], None),
        (7, None),
    ],
)
def test_title_is_one_bounded_line_without_control_characters(title: object, shown: str | None) -> None:
    assert description.of_info(info(title=title), None).title == shown


@pytest.mark.parametrize(
    ("number", "known"),
    [(5, 5), (2.5, 2.5), (0, 0), *((n, None) for n in (-1, float("nan"), float("inf"), 10**40, "9", True, None))],
)
def test_number_that_makes_no_sense_is_unknown(number: object, known: float | None) -> None:
    assert MediaDescription.model_validate({"duration_s": number}).duration_s == known


def test_what_would_be_stored_is_marked_and_comes_first_then_the_best() -> None:
    found = description.of_info(info(), 3)
    assert [(one.id, one.stored) for one in found.formats] == [("137", True), ("140", True), ("18", False)]
    assert (found.kind, found.bytes, found.duration_s, found.entries) == ("video", 1000, 5, 3)
    picture, sound, _ = found.formats
    assert (picture.height, picture.fps, picture.video_codec, picture.audio_codec) == (1080, 25, "avc1", None)
    assert (sound.video_codec, sound.audio_codec, sound.bytes) == (None, "mp4a", 100)


def test_formats_are_bounded_and_what_would_be_stored_is_among_them() -> None:
    offered = [{"format_id": f"{n}", "format_note": "n" * 5000, "vcodec": "avc1"} for n in range(10 * MAX_FORMATS)]
    found = description.of_info(info(formats=offered, requested_formats=[offered[0]]), None)
    assert len(found.formats) == MAX_FORMATS
    assert [one.id for one in found.formats[:3]] == ["0", "499", "498"]
    assert {len(one.name or "") for one in found.formats} == {100}


def test_size_is_unknown_where_one_of_two_is() -> None:
    assert description.of_info(info(requested_formats=[PICTURE, {"format_id": "140"}]), None).bytes is None


def test_sound_alone_is_audio() -> None:
    assert description.of_info(info(requested_formats=[SOUND]), None).kind == "audio"


def test_first_bytes_correct_what_the_page_claims() -> None:
    claimed = description.of_info(info(requested_formats=None, **BOTH), None)
    assert (claimed.kind, claimed.container, claimed.bytes, claimed.content_type) == ("video", "mp4", 500, None)
    seen = description.with_file(claimed, M4A, 700)
    assert (seen.kind, seen.container, seen.bytes, seen.content_type) == ("audio", "m4a", 700, "audio/mp4")
    assert [(one.stored, one.bytes) for one in seen.formats] == [(True, 700), (False, 900), (False, 100)]
    assert description.with_file(claimed, MP4, None).bytes == 500


@pytest.mark.parametrize(
    ("content_type", "kind"), [("video/mp4", "video"), ("audio/mpeg", "audio"), ("image/png", "image")]
)
def test_kind_of_a_file_is_its_content_types(content_type: str, kind: str) -> None:
    source = Source(MediaType(content_type, "x"), 10, "name.x", iter(()), lambda: None)
    found = description.of_source(source, {})
    assert (found.kind, found.title, found.bytes, found.content_type) == (kind, "name.x", 10, content_type)
    assert found.formats == [MediaFormat(id="file", container="x", bytes=10, stored=True)]


@pytest.mark.parametrize(
    ("status", "error", "available"),
    [
        ("resolving", None, None),
        ("resolved", None, True),
        ("resolved", ResolutionTimeoutError().failure(), False),
        ("failed", ResolutionTimeoutError().failure(), None),
    ],
)
def test_available_is_known_once_it_is_resolved(status: str, error: Any, available: object) -> None:
    document = {"_id": "r", "workspace": "w", "url": "https://example.com/", "status": status, "claimed": True,
                "media": None, "error": error, "created_ms": 0, "due_ms": None, "expires_ms": 1000}  # fmt: skip
    shown = Resolution.from_document(document)
    assert shown.available is available
    assert shown.model_dump().keys().isdisjoint({"workspace", "claimed", "due_ms"})

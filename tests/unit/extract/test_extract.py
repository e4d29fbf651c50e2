"""The extraction child: real yt-dlp against an origin on loopback."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.media_errors import (
    LinkNotFoundError,
    LoginRequiredError,
    MediaError,
    RateLimitedError,
    ServerFaultError,
    UnsupportedLinkError,
)
from app.demo.origin import Origin
from app.services.fetch.extract import extracted
from tests.unit.extract.extracting import Progress, code_of, extraction


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

"""A link that is the media itself, from an origin that serves it well or badly."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psutil
import pytest

from app.core.media_errors import (
    ConnectionFailedError,
    EmptyContentError,
    FetchTimeoutError,
    LinkNotFoundError,
    LoginRequiredError,
    MediaError,
    NotMediaError,
    RateLimitedError,
    ServerFaultError,
    StalledError,
    TooLargeError,
    TruncatedError,
    UnsupportedLinkError,
)
from app.demo.origin import Origin
from app.demo.samples import Samples
from app.embedded.ports import free_port
from app.services.fetch.direct import open_direct
from app.services.fetch.exchange import Limits
from app.services.fetch.guard import Guard
from app.services.fetch.source import Source
from tests.servers import answering, eventually

GUARD = Guard.of(["127.0.0.1/32"])
MIB = 1 << 20
LIMITS = Limits(max_bytes=4 * MIB, total_seconds=30, read_seconds=10)
HASTY = Limits(max_bytes=4 * MIB, total_seconds=30, read_seconds=0.3)


@pytest.fixture
def origin(samples: Samples) -> Iterator[Origin]:
    with Origin(samples.folder) as origin:
        yield origin


@contextmanager
def opened(link: str, limits: Limits = LIMITS) -> Iterator[Source]:
    source = open_direct(link, GUARD, limits)
    assert source is not None
    try:
        yield source
    finally:
        source.close()


def read_all(link: str, limits: Limits = LIMITS) -> bytes:
    with opened(link, limits) as source:
        return b"".join(source.chunks)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("clip.mp4", "video/mp4"),
        ("tail.mp4", "video/mp4"),
        ("clip.webm", "video/webm"),
        ("tone.mp3", "audio/mpeg"),
        ("photo.jpg", "image/jpeg"),
        ("loop.gif", "image/gif"),
        ("bytes/3000000.mp4", "video/mp4"),
    ],
)
def test_media_comes_whole_with_its_length_type_and_name(origin: Origin, path: str, content_type: str) -> None:
    with opened(origin.url(path)) as source:
        body = b"".join(source.chunks)
        assert source.media_type.content_type == content_type
        assert source.length == len(body)
        assert source.filename == path.rpartition("/")[2]
    assert hashlib.sha256(body).hexdigest() == origin.sha256(path)


def test_media_of_unknown_length_comes_whole(origin: Origin) -> None:
    with opened(origin.url("clip.mp4", chunked=1)) as source:
        assert source.length is None
        assert hashlib.sha256(b"".join(source.chunks)).hexdigest() == origin.sha256("clip.mp4")


def test_bytes_decide_the_type_and_not_the_header(origin: Origin) -> None:
    with opened(origin.url("photo.jpg", type="text/html")) as source:
        assert source.media_type.content_type == "image/jpeg"


def test_compressed_answer_is_never_asked_for(origin: Origin) -> None:
    assert hashlib.sha256(read_all(origin.url("clip.mp4", gzip=1))).hexdigest() == origin.sha256("clip.mp4")


def test_redirect_is_followed_and_the_last_address_gives_the_name(origin: Origin) -> None:
    with opened(origin.url("redirect", to="/tone.mp3", code=307)) as source:
        assert source.filename == "tone.mp3"


def test_name_in_the_header_goes_before_the_links(origin: Origin) -> None:
    with opened(origin.url("clip.mp4", disposition="boats.mp4")) as source:
        assert source.filename == "boats.mp4"


@pytest.mark.parametrize("path", ["page", "watch.html", "hls/master.m3u8", "dash/manifest.mpd", "status/403"])
def test_what_an_extractor_must_read_is_left_to_it(origin: Origin, path: str) -> None:
    assert open_direct(origin.url(path), GUARD, LIMITS) is None


@pytest.mark.parametrize("declared", ["video/mp4", "application/vnd.apple.mpegurl", "text/plain"])
def test_manifest_is_left_to_an_extractor_whatever_it_claims_to_be(origin: Origin, declared: str) -> None:
    assert open_direct(origin.url("hls/master.m3u8", type=declared), GUARD, LIMITS) is None


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("html-as-video", NotMediaError),
        ("empty", EmptyContentError),
        ("status/204", EmptyContentError),
        ("status/404", LinkNotFoundError),
        ("nowhere.mp4", LinkNotFoundError),
        ("status/410", LinkNotFoundError),
        ("status/401", LoginRequiredError),
        ("status/429", RateLimitedError),
        ("status/500", ServerFaultError),
        ("status/503", ServerFaultError),
        ("redirect/loop", UnsupportedLinkError),
    ],
)
def test_answer_without_media_has_its_code(origin: Origin, path: str, error: type[MediaError]) -> None:
    with pytest.raises(error):
        open_direct(origin.url(path), GUARD, LIMITS)


def test_redirects_end_after_five(origin: Origin) -> None:
    with pytest.raises(UnsupportedLinkError):
        open_direct(origin.url("redirect/loop"), GUARD, LIMITS)
    assert origin.requests == {"redirect/loop": 6}


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0", 0.0), ("soon", None), ("-1", None), ("", None)])
def test_busy_site_says_how_long_to_wait(origin: Origin, header: str, seconds: float | None) -> None:
    with pytest.raises(RateLimitedError) as caught:
        open_direct(origin.url("status/429", retry_after=header), GUARD, LIMITS)
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize("faults", [{"truncate": 100_000}, {"truncate": 100_000, "chunked": 1}, {"truncate": 300}])
def test_short_body_is_truncated(origin: Origin, faults: dict[str, int]) -> None:
    with pytest.raises(TruncatedError):
        read_all(origin.url("clip.mp4", noranges=1, **faults))


@pytest.mark.parametrize("faults", [{"truncate": 100_000}, {"stall_after": 700_000}])
def test_site_that_knows_ranges_is_asked_for_the_rest(origin: Origin, faults: dict[str, int]) -> None:
    body = read_all(origin.url("clip.mp4", **faults), HASTY)
    assert hashlib.sha256(body).hexdigest() == origin.sha256("clip.mp4")
    assert origin.bytes_sent["clip.mp4"] == len(body)


def test_site_that_knows_no_ranges_gives_one_stream(origin: Origin) -> None:
    with opened(origin.url("clip.mp4", noranges=1)) as source:
        assert source.ranged is None
        assert hashlib.sha256(b"".join(source.chunks)).hexdigest() == origin.sha256("clip.mp4")
    assert origin.requests["clip.mp4"] == 1


def test_piece_that_nobody_asked_for_is_not_taken_for_the_file() -> None:
    head = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2005/9000\r\nContent-Length: 2006\r\n\r\n"
    with answering(head + b"GIF89a" + bytes(2000)) as link:
        source = open_direct(link, GUARD, LIMITS, ranges=False)
        assert source is not None
        with closing(source), pytest.raises(TruncatedError):
            list(source.chunks)


def test_cap_is_kept_by_the_declared_length_before_any_byte(origin: Origin) -> None:
    with pytest.raises(TooLargeError):
        open_direct(origin.url(f"bytes/{4 * MIB + 1}.mp4"), GUARD, LIMITS)
    assert len(read_all(origin.url(f"bytes/{4 * MIB}.mp4"))) == 4 * MIB


@pytest.mark.parametrize("path", ["endless", f"bytes/{5 * MIB}.mp4"])
def test_cap_is_kept_by_counting(origin: Origin, path: str) -> None:
    got: list[int] = []
    with opened(origin.url(path, chunked=1)) as source, pytest.raises(TooLargeError):
        got.extend(map(len, source.chunks))
    assert 0 < sum(got) <= LIMITS.max_bytes


def test_total_time_is_kept_although_bytes_come(origin: Origin) -> None:
    limits = Limits(LIMITS.max_bytes, total_seconds=0.5, read_seconds=10)
    begun = time.monotonic()
    with pytest.raises(FetchTimeoutError):
        read_all(origin.url("bytes/3000000.mp4", rate=200_000), limits)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("after", [0, 500, 200_000])
def test_silent_origin_is_stalled_soon(origin: Origin, after: int) -> None:
    begun = time.monotonic()
    with pytest.raises(StalledError):
        read_all(origin.url("clip.mp4", stall_after=after, noranges=1), HASTY)
    assert time.monotonic() - begun < 3


def test_origin_that_never_answers_is_stalled_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(StalledError):
        open_direct(f"http://127.0.0.1:{server.getsockname()[1]}/", GUARD, HASTY)


def test_nobody_listening_is_a_failed_connection() -> None:
    with pytest.raises(ConnectionFailedError):
        open_direct(f"http://127.0.0.1:{free_port()}/", GUARD, LIMITS)


@pytest.mark.parametrize("faults", [{}, {"chunked": 1}])
def test_close_from_another_thread_ends_a_blocked_read(origin: Origin, faults: dict[str, int]) -> None:
    reading = threading.Event()
    outcome: list[BaseException | None] = []
    source = open_direct(origin.url("clip.mp4", stall_after=100_000, **faults), GUARD, LIMITS)
    assert source is not None

    def read() -> None:
        try:
            for _ in source.chunks:
                reading.set()
            outcome.append(None)
        except MediaError as error:
            outcome.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert reading.wait(5)
    begun = time.monotonic()
    source.close()
    reader.join(5)
    assert time.monotonic() - begun < 1
    assert not reader.is_alive()
    assert isinstance(outcome[0], MediaError)
    source.close()


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: " + b"9" * 5000,
        b"Content-Length: 2006\r\nContent-Disposition: attachment; filename*=idna''clip",
        b"Content-Length: 2006\r\nContent-Length: 1",
        b"Content-Length: -5",
        b"Content-Length: 2006, 2006",
        b"Transfer-Encoding: chunked\r\nX: 1\r\n\r\nzz",
        b"Content-Type: video/" + b"x" * 60_000,
        b"X: 1\r\n" * 300,
    ],
)
def test_hostile_header_ends_in_media_or_in_a_code(head: bytes) -> None:
    with answering(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nGIF89a" + bytes(2000)) as link:
        try:
            source = open_direct(link, GUARD, LIMITS)
        except MediaError:
            return
        if source is not None:
            source.close()


@pytest.mark.parametrize("answer", [b"", b"junk\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n"])
def test_what_is_no_http_is_a_failed_connection(answer: bytes) -> None:
    with answering(answer) as link, pytest.raises(ConnectionFailedError):
        open_direct(link, GUARD, LIMITS)


def test_nothing_stays_open_after_success_failure_or_close(origin: Origin) -> None:
    kept: list[MediaError] = []  # as a log that still holds a traceback would
    with opened(origin.url("photo.jpg")) as whole, opened(origin.url("endless")) as part:
        assert b"".join(whole.chunks)
        assert next(part.chunks)
    for path in ("page", "html-as-video", "status/404", "redirect/loop"):
        try:
            open_direct(origin.url(path), GUARD, LIMITS)
        except MediaError as caught:
            kept.append(caught)
    eventually(lambda: not open_connections(origin), seconds=3, what="no connection to the origin is left")
    assert len(kept) == 3


def open_connections(origin: Origin) -> list[object]:
    mine = psutil.Process().net_connections("tcp")
    return [one for one in mine if one.raddr and one.raddr.port == origin.port and one.status != "TIME_WAIT"]

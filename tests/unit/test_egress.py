"""Everything through an operator's proxy: names are its matter, what a link tells by itself is ours."""

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shutil import copytree

import psutil
import pytest
from pydantic import ValidationError

from app.core.config import problems_of
from app.core.media_errors import MediaError
from app.demo.origin import Origin
from app.demo.samples import Samples
from app.services.fetch.direct import open_direct
from app.services.fetch.egress import EgressProxy
from app.services.fetch.exchange import Limits
from app.services.fetch.extract import Extraction, ExtractionProgress, extracted
from app.services.fetch.guard import Guard
from tests.connect_proxy import ConnectProxy
from tests.servers import settings_of

SITE = "media.example"
LIMITS = Limits(64 << 20, 60, 5)
REQUIRED = {
    "MONGODB_URI": "mongodb://db.example/",
    "REDIS_URL": "redis://broker.example/",
    "S3_ENDPOINT_URL": "https://s3.example",
    "S3_ACCESS_KEY_ID": "access",
    "S3_SECRET_ACCESS_KEY": "secret",
}


@pytest.fixture
def origin(samples: Samples, tmp_path: Path) -> Iterator[Origin]:
    with Origin(copytree(samples.folder, tmp_path / "site")) as origin:
        yield origin


@pytest.fixture
def proxy(origin: Origin) -> Iterator[ConnectProxy]:
    with ConnectProxy({SITE: (origin.host, origin.port)}, denied=("inner.example",)) as proxy:
        yield proxy


def extraction(url: str, guard: Guard, scratch: Path) -> Extraction:
    return Extraction(
        url=url,
        limits=LIMITS,
        guard=guard,
        max_duration_seconds=60,
        max_playlist_entries=100,
        max_height=1080,
        scratch=scratch,
        keep_free_bytes=0,
    )


def progress() -> ExtractionProgress:
    return ExtractionProgress(lambda: None, lambda _: None, lambda _: None)


def code_of(url: str, guard: Guard, scratch: Path | None = None) -> str:
    """Through the extraction path with `scratch`, through the direct one without."""
    try:
        if scratch is None:
            open_direct(url, guard, LIMITS)
        else:
            with extracted(extraction(url, guard, scratch), progress()):
                pass
    except MediaError as error:
        return error.code
    return "fetched"


def test_file_comes_through_the_proxy_which_alone_knows_the_name(origin: Origin, proxy: ConnectProxy) -> None:
    source = open_direct(f"http://{SITE}/clip.mp4", Guard.of((), proxy.url), LIMITS)
    assert source is not None
    assert hashlib.sha256(b"".join(source.chunks)).hexdigest() == origin.sha256("clip.mp4")
    source.close()
    assert proxy.asked == [f"{SITE}:80"]


@pytest.mark.parametrize("path", ["watch.html", "hls/master.m3u8", "dash/manifest.mpd"])
def test_extraction_comes_through_the_proxy_alone(proxy: ConnectProxy, tmp_path: Path, path: str) -> None:
    job = extraction(f"http://{SITE}/{path}", Guard.of((), proxy.url), tmp_path / "scratch")
    with extracted(job, progress()) as source:
        assert source.media_type.content_type == "video/mp4"
    assert set(proxy.asked) == {f"{SITE}:80"}


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ("http://127.0.0.1/", "link.blocked_address"),
        ("http://2130706433/", "link.blocked_address"),
        ("http://0x7f.1/", "link.blocked_address"),
        ("http://[::ffff:10.0.0.1]/", "link.blocked_address"),
        ("http://169.254.169.254/", "link.blocked_address"),
        ("http://localhost/", "link.blocked_address"),
        ("http://media.example:22/", "link.blocked_address"),
        ("http://media.example:6379/", "link.blocked_address"),
        ("http://127.0.0.1.1/", "link.invalid"),
        ("http://%31%32%37.0.0.1/", "link.blocked_address"),
        ("http://user@media.example/", "link.invalid"),
        ("ftp://media.example/", "link.invalid"),
    ],
)
@pytest.mark.parametrize("path", ["direct", "extract"])
def test_what_a_link_tells_by_itself_is_refused_before_the_proxy_is_asked(
    proxy: ConnectProxy, tmp_path: Path, link: str, code: str, path: str
) -> None:
    scratch = tmp_path / "scratch" if path == "extract" else None
    assert code_of(link, Guard.of((), proxy.url), scratch) == code
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ("http://inner.example/clip.mp4", "link.blocked_address"),
        ("http://nowhere.example/clip.mp4", "fetch.connection"),
        ("https://inner.example/clip.mp4", "link.blocked_address"),
    ],
)
@pytest.mark.parametrize("path", ["direct", "extract"])
def test_proxys_refusal_has_its_code(proxy: ConnectProxy, tmp_path: Path, link: str, code: str, path: str) -> None:
    assert code_of(link, Guard.of((), proxy.url), tmp_path / "scratch" if path == "extract" else None) == code
    assert proxy.asked


@pytest.mark.parametrize("path", ["direct", "extract"])
def test_redirect_to_an_address_is_refused_behind_the_proxy_too(proxy: ConnectProxy, tmp_path: Path, path: str) -> None:
    link = f"http://{SITE}/redirect?to=http://10.0.0.1/clip.mp4"
    scratch = tmp_path / "scratch" if path == "extract" else None
    assert code_of(link, Guard.of((), proxy.url), scratch) == "link.blocked_address"
    assert set(proxy.asked) == {f"{SITE}:80"}


@pytest.mark.parametrize("path", ["direct", "extract"])
def test_proxy_that_is_away_has_a_code_of_its_own(tmp_path: Path, path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    guard = Guard.of((), f"http://127.0.0.1:{port}")
    assert code_of(f"http://{SITE}/a.mp4", guard, tmp_path / "s" if path == "extract" else None) == "fetch.proxy"


def test_credentials_are_sent_and_wrong_ones_are_the_proxys_failure(origin: Origin) -> None:
    with ConnectProxy({SITE: (origin.host, origin.port)}, password="us@er:pa:ss") as proxy:
        right = f"http://us%40er:pa%3Ass@127.0.0.1:{proxy.port}"
        source = open_direct(f"http://{SITE}/clip.mp4", Guard.of((), right), LIMITS)
        assert source is not None
        source.close()
        EgressProxy.of(right).check(5)
        assert code_of(f"http://{SITE}/clip.mp4", Guard.of((), proxy.url)) == "fetch.proxy"
        with pytest.raises(MediaError) as caught:
            EgressProxy.of(proxy.url).check(5)
        assert caught.value.code == "fetch.proxy"


def test_credentials_show_nowhere(origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def look() -> None:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                seen.append(json.dumps([child.cmdline(), child.environ()]))

    with ConnectProxy({SITE: (origin.host, origin.port)}, password="user:hidden-word") as proxy:
        guard = Guard.of((), f"http://user:hidden-word@127.0.0.1:{proxy.port}")
        told = progress()
        told.check = look
        with extracted(extraction(f"http://{SITE}/watch.html", guard, tmp_path / "scratch"), told):
            pass
        with pytest.raises(MediaError) as caught:
            open_direct(f"http://{SITE}:6379/", guard, LIMITS)
    assert any("app.services.fetch.extractor" in one for one in seen)
    assert "hidden-word" not in f"{seen} {caplog.text} {guard!r} {caught.value!r}"


@pytest.mark.parametrize("value", ["https://proxy.example", "socks5://proxy.example", "proxy.example:80", "http://"])
def test_what_is_no_http_proxy_is_refused_at_the_start(value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings_of({**REQUIRED, "TAKEUP_EGRESS_PROXY": value})
    assert problems_of(caught.value)[0].startswith("TAKEUP_EGRESS_PROXY: ")


def test_settings_show_no_credentials_of_the_proxy() -> None:
    settings = settings_of({**REQUIRED, "TAKEUP_EGRESS_PROXY": "http://user:hidden-word@proxy.example:4750"})
    assert "hidden-word" not in repr(settings)
    guard = Guard.of_settings(settings)
    assert guard.proxy is not None
    assert (guard.proxy.host, guard.proxy.port) == ("proxy.example", 4750)

"""A worker that looks at a link: within its time, for as long as it may, and leaving nothing behind."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from shutil import copytree
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from app.core.config import Settings
from app.core.database import Async, Document, Sync, server_now_sync
from app.core.media_errors import RateLimitedError
from app.crud import crud_hold
from app.crud.crud_hold import Hold
from app.demo.origin import Origin
from app.embedded.ports import free_port
from app.models.media import milliseconds
from app.models.resolution import Resolution
from app.services.admission import site_of
from app.services.resolve import Resolver
from tests.contract.test_resolutions import read, request
from tests.servers import eventually, is_alive, shared_samples

pytestmark = pytest.mark.anyio

HASTY_SECONDS = 3.0


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_samples(tmp_path_factory).folder


@pytest.fixture
def origin(samples: Path, tmp_path: Path) -> Iterator[Origin]:
    """Serves the samples, and a page whose video never comes."""
    site = copytree(samples, tmp_path / "site")
    with Origin(site) as serving:
        link = serving.url("clip.mp4", stall_after=0)
        page = f'<html><title>Boats</title><video src="{link}" type="video/mp4"></video></html>'
        (site / "stalls.html").write_text(page)
        yield serving


@pytest.fixture
def resolver(database: Sync, settings: Settings, tmp_path: Path) -> Resolver:
    own: dict[str, Any] = {
        "takeup_allow_networks": (ip_network("127.0.0.1/32"),),
        "takeup_scratch_dir": tmp_path / "scratch",
        "takeup_resolve_seconds": HASTY_SECONDS,
    }
    return Resolver(database, settings.model_copy(update=own))


def looking_children() -> list[psutil.Process]:
    """The children at work; the server that they are forked from stays."""
    servers = [child for child in psutil.Process().children() if "app.services.fetch.extractor" in child.cmdline()]
    return [child for server in servers for child in server.children() if is_alive(child)]


@pytest.mark.parametrize(
    ("path", "query"),
    [("clip.mp4", {"stall_after": 0}), ("clip.mp4", {"rate": 20}), ("stalls.html", {})],
)
async def test_a_source_that_tells_nothing_ends_at_the_deadline(
    async_database: Async, resolver: Resolver, origin: Origin, path: str, query: dict[str, int]
) -> None:
    seconds = HASTY_SECONDS + (5 if path.endswith(".html") else 0)  # yt-dlp takes its time to begin
    resolver = Resolver(resolver.database, resolver.settings.model_copy(update={"takeup_resolve_seconds": seconds}))
    made = await request(async_database, origin.url(path, **query))
    begun = time.monotonic()
    assert not resolver.run(made["_id"])
    assert seconds - 0.1 < time.monotonic() - begun < seconds + 2
    assert origin.requests[path] >= 1
    ended = read(resolver.database, made)
    assert (ended["status"], ended["error"]["code"], ended["media"]) == ("failed", "resolve.timeout", None)
    assert looking_children() == []
    assert list(resolver.settings.scratch_dir.glob("*")) == []


@contextmanager
def dripping() -> Iterator[str]:
    """A link whose answer's head goes on for 15 s: a byte comes before any single read has waited too long."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
                for _ in range(150):
                    connection.sendall(b"a")
                    time.sleep(0.1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/clip.mp4"
        thread.join(5)


async def test_an_answer_whose_head_never_ends_ends_at_the_deadline(async_database: Async, resolver: Resolver) -> None:
    with dripping() as url:
        made = await request(async_database, url)
        begun = time.monotonic()
        resolver.run(made["_id"])
        assert time.monotonic() - begun < HASTY_SECONDS + 2
    assert read(resolver.database, made)["error"]["code"] == "resolve.timeout"


async def test_a_worker_that_stops_gives_the_resolution_back(
    async_database: Async, resolver: Resolver, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await request(async_database, origin.url("clip.mp4", stall_after=0))
    begun = time.monotonic()

    def stopping_for() -> float | None:
        return 0.1 if origin.requests.get("clip.mp4") else None

    monkeypatch.setattr("app.services.resolve.stopping_for", stopping_for)
    assert resolver.run(made["_id"])
    assert time.monotonic() - begun < HASTY_SECONDS
    left = read(resolver.database, made)
    assert (left["status"], left["claimed"], left["attempt"]) == ("resolving", False, 0)
    assert left["due_ms"] > milliseconds(server_now_sync(resolver.database))


async def test_a_site_that_is_held_back_is_not_asked(async_database: Async, resolver: Resolver, origin: Origin) -> None:
    url, database = origin.url("clip.mp4"), resolver.database
    now = server_now_sync(database)
    crud_hold.put_hold(database, Hold(site_of(url)), RateLimitedError().failure(), now, milliseconds(now, 60))
    made = await request(async_database, url)
    resolver.run(made["_id"])
    shown = Resolution.from_document(read(database, made))
    assert shown.available is False
    assert shown.error is not None
    assert shown.error.code == "fetch.rate_limited"
    assert origin.requests == {}


@pytest.mark.parametrize("ill", ["disk", "proxy"])
async def test_what_is_our_own_trouble_says_nothing_of_the_link(
    async_database: Async, resolver: Resolver, origin: Origin, ill: str
) -> None:
    (file := resolver.settings.scratch_dir.with_name("file")).touch()
    troubles: dict[str, dict[str, Any]] = {
        "disk": {"takeup_scratch_dir": file / "scratch"},
        "proxy": {"takeup_egress_proxy": SecretStr(f"http://127.0.0.1:{free_port()}")},
    }
    sick = Resolver(resolver.database, resolver.settings.model_copy(update=troubles[ill]))
    made = await request(async_database, origin.url("watch.html"))
    sick.run(made["_id"])
    shown = Resolution.from_document(read(resolver.database, made))
    assert (shown.status, shown.available) == ("failed", None)
    assert shown.error is not None
    assert shown.error.code == {"disk": "worker.disk_full", "proxy": "fetch.proxy"}[ill]
    assert "by itself" not in shown.error.hint


async def test_a_bug_of_ours_is_an_answer_too(
    async_database: Async, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("app.services.resolve.open_direct", broken)
    made = await request(async_database, "http://127.0.0.1/")
    assert not resolver.run(made["_id"])
    ended = read(resolver.database, made)
    assert (ended["status"], ended["error"]["code"]) == ("failed", "internal")


async def test_what_is_too_long_is_described_all_the_same(
    async_database: Async, resolver: Resolver, origin: Origin, tmp_path: Path
) -> None:
    playlist = tmp_path / "site/hls/media.m3u8"
    playlist.write_text(playlist.read_text().replace("#EXTINF:2.", "#EXTINF:9000."))
    patient = Resolver(resolver.database, resolver.settings.model_copy(update={"takeup_resolve_seconds": 60}))
    made = await request(async_database, origin.url("hls/media.m3u8"))
    patient.run(made["_id"])
    shown = Resolution.from_document(read(resolver.database, made))
    assert (shown.status, shown.available) == ("resolved", False)
    assert shown.error is not None
    assert shown.error.code == "content.too_long"
    assert shown.media is not None
    assert (shown.media.duration_s or 0) > resolver.settings.takeup_max_duration_seconds
    eventually(lambda: not looking_children(), seconds=5, what="no child is left")


def shown(resolver: Resolver, made: Document) -> Resolution:
    return Resolution.from_document(read(resolver.database, made))


@pytest.fixture
def patient(resolver: Resolver) -> Resolver:
    return Resolver(resolver.database, resolver.settings.model_copy(update={"takeup_resolve_seconds": 60}))


@pytest.mark.parametrize(
    ("name", "query", "expected"),
    [
        ("clip.mp4", {}, ("video", 5, 720)),
        ("tail.mp4", {}, ("video", 4, 360)),
        ("tone.mp3", {}, ("audio", 5, None)),
        ("photo.jpg", {}, ("image", None, 1080)),
        ("clip.mp4", {"noranges": 1}, ("video", None, None)),
        ("garbage.mp4", {}, ("video", None, None)),
    ],
)
async def test_a_file_tells_its_duration_and_height_where_it_is_read_in_ranges(
    async_database: Async,
    patient: Resolver,
    origin: Origin,
    *,
    name: str,
    query: dict[str, int],
    expected: tuple[str, int | None, int | None],
) -> None:
    made = await request(async_database, origin.url(name, **query))
    patient.run(made["_id"])
    found = shown(patient, made)
    assert (found.available, found.error) == (True, None)
    assert found.media is not None
    told = found.media.duration_s
    [file] = found.media.formats
    assert (found.media.kind, told if told is None else round(told), file.height) == expected


async def test_a_file_that_is_too_long_says_so_and_how_long_it_is(
    async_database: Async, patient: Resolver, origin: Origin
) -> None:
    strict = Resolver(patient.database, patient.settings.model_copy(update={"takeup_max_duration_seconds": 4}))
    made = await request(async_database, origin.url("tone.mp3"))
    strict.run(made["_id"])
    found = shown(strict, made)
    assert found.available is False
    assert found.error is not None
    assert found.error.code == "content.too_long"
    assert found.media is not None
    assert (found.media.duration_s or 0) > 4


async def test_a_duration_that_costs_too_many_bytes_or_seconds_is_not_told(
    async_database: Async, patient: Resolver, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, query in (("MAX_BYTES", {}), ("_SECONDS", {"stall_after": 100_000})):
        with monkeypatch.context() as patched:
            patched.setattr(f"app.services.glance.{limit}", 1)
            made = await request(async_database, origin.url("clip.mp4", **query))
            patient.run(made["_id"])
        found = shown(patient, made)
        assert found.available is True
        assert found.media is not None
        assert found.media.duration_s is None

"""A canceled scene stops within two seconds, whatever its worker was doing, with every process that worked for it."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copytree

import psutil
import pytest
from PIL import Image

from app.core.database import Document
from app.demo.origin import Origin
from tests.servers import shared_samples, wait_for
from tests.stack import RunningStack

HUGE = "huge.jpg"
STOPS_WITHIN = 2.0
BUSY_MACHINE = 1.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """The samples, and a picture that takes a second to look at."""
    folder = copytree(shared_samples(tmp_path_factory).folder, tmp_path_factory.mktemp("site") / "samples")
    Image.linear_gradient("L").resize((9900, 9900)).convert("RGB").save(folder / HUGE, quality=30)
    with Origin(folder) as serving:
        yield serving


@pytest.fixture
def silent_site() -> Iterator[str]:
    """A link whose site takes connections and never answers."""
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connections.append(server.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/clip.mp4"
        for connection in connections:
            connection.close()
        server.shutdown(socket.SHUT_RDWR)


def descendants(stack: RunningStack, module: str) -> list[psutil.Process]:
    """The processes that run this module for the worker."""
    found = []
    for process in psutil.Process(stack.pid("worker")).children(recursive=True):
        with suppress(psutil.Error):
            if module in " ".join(process.cmdline()):
                found.append(process)
    return found


def jobs(stack: RunningStack, module: str) -> Iterator[psutil.Process]:
    """Those of them that work; the servers that they are forked from stay."""
    running = descendants(stack, module)
    servers = {process.pid for process in running}
    return (process for process in running if process.ppid() in servers)


def assert_stops(stack: RunningStack, scene: Document, busy: Callable[[], object]) -> None:
    """Cancel it, and see that within two seconds nothing is busy with it, and that nothing of it is left."""
    answer = stack.http.post(f"/media/{scene['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "canceled")
    canceled = time.monotonic()
    wait_for(lambda: not busy(), STOPS_WITHIN + BUSY_MACHINE, "nothing works for it any more")
    assert time.monotonic() - canceled < STOPS_WITHIN + BUSY_MACHINE
    wait_for(lambda: not stack.stored(scene) and not stack.uploads(scene), 15, "nothing of it is in the bucket")
    assert stack.media(scene)["status"] == "canceled"


def lease_of(stack: RunningStack, scene: Document) -> object:
    return ((stack.document(scene) or {})["media"] or {}).get("lease")


def connections_to(stack: RunningStack, port: int) -> list[object]:
    """Open connections of the worker's processes to this port."""
    found: list[object] = []
    for process in [*stack.pool_children(), *descendants(stack, "")]:
        with suppress(psutil.Error):
            found += [c for c in process.net_connections("tcp") if c.raddr and c.raddr.port == port]
    return found


def test_while_the_site_has_not_answered_yet(stack: RunningStack, silent_site: str) -> None:
    port = int(silent_site.rsplit(":", 1)[1].split("/", maxsplit=1)[0])
    scene = stack.store(silent_site)
    wait_for(lambda: connections_to(stack, port), 10, "the worker waits for the site")
    assert_stops(stack, scene, lambda: [c for c in connections_to(stack, port) if c.status == "ESTABLISHED"])  # type: ignore[attr-defined]


def test_while_it_downloads(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=50_000))
    stack.wait_bytes(scene)

    def is_fetched() -> bool:
        before = origin.bytes_sent["clip.mp4"]
        time.sleep(0.3)
        return origin.bytes_sent["clip.mp4"] != before

    assert_stops(stack, scene, is_fetched)
    assert stack.http.post(f"/media/{scene['id']}/cancel").status_code == 202
    assert stack.http.post(f"/media/{scene['id']}/retry").json()["generation"] == 2
    stack.http.delete(f"/scenes/{scene['id']}").raise_for_status()


@contextmanager
def stopped_child(stack: RunningStack, module: str) -> Iterator[psutil.Process]:
    """The child that runs this module, frozen in the midst of its work."""
    child = wait_for(lambda: next(jobs(stack, module), None), 20, f"{module} runs")
    child.send_signal(signal.SIGSTOP)
    try:
        yield child
    finally:
        with suppress(psutil.NoSuchProcess):
            child.kill()


@pytest.mark.parametrize(
    ("path", "module"),
    [("hls/master.m3u8", "app.services.fetch.extractor"), (HUGE, "app.services.process.inspector")],
    ids=["while yt-dlp works", "while it is probed"],
)
def test_while_a_child_works_for_it(stack: RunningStack, site: Origin, path: str, module: str) -> None:
    scene = stack.store(site.url(path))
    with stopped_child(stack, module) as child:
        assert_stops(stack, scene, child.is_running)


def test_while_it_waits_for_a_worker(stack: RunningStack, origin: Origin) -> None:
    before = origin.requests.get("tail.mp4", 0)
    with stack.frozen("worker"):
        scene = stack.store(origin.url("tail.mp4"))
        assert_stops(stack, scene, lambda: lease_of(stack, scene))
    other = stack.store(origin.url("photo.jpg"))
    stack.wait_ended(other)
    assert origin.requests.get("tail.mp4", 0) == before


def test_while_it_waits_for_its_next_try(stack: RunningStack, tmp_path: Path) -> None:
    with Origin(tmp_path) as elsewhere:  # because its whole site is left alone for a minute
        scene = stack.store(elsewhere.url("status/429", retry_after=60))
        stack.wait(scene, "retrying")
        assert_stops(stack, scene, lambda: lease_of(stack, scene))

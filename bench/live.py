"""How long a change takes to reach every page that is open, and what a page costs, in one API process.

    python -m bench.live [--clients 1000 5000] [--seconds 10] [--ways takeup streaming native]

Everybody watches one project of 20 scenes, of which another process changes one every 100 ms, each in turn, and rings,
as a worker does. `takeup` is the stream as it is; the others are in `bench/live_api.py`. Milliseconds (p50 / p99)
to the arrival at the client, whose process reads plain sockets: from before the write, from its acknowledgement, and
the write alone; then the process's resident memory per client, and the processor time it takes.
"""

import argparse
import multiprocessing
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil

from app.core.database import connect_sync
from app.core.redis import Announcer
from app.crud.crud_scene import edit
from app.embedded.ports import free_port
from tests.servers import embedded_servers, settings_of, wait_for
from tests.stack import clean_environment

_SCENES = 20
_CHANGES_PER_SECOND = 10
_AT_ONCE = 50
_WAYS = {
    "takeup": "/api/v1",
    "streaming": "/bench/streaming",
    "native": "/bench/native",
}
_STAMP = b'"text":"'


def watch(address: str, path: str, count: int, report: Connection) -> None:
    """Open so many streams, say when each has its snapshot, and then note every arrival until told to stop."""
    host, port = urlsplit(address).hostname, urlsplit(address).port
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    chooser = selectors.EpollSelector()
    clients: list[socket.socket] = []
    greeted: set[int] = set()
    while len(greeted) < count:
        while len(clients) < min(count, len(greeted) + _AT_ONCE):
            clients.append(socket.create_connection((host, port)))
            clients[-1].sendall(request)
            chooser.register(clients[-1], selectors.EVENT_READ)
        for key, _ in chooser.select(1):
            if b"event: snapshot" in key.fileobj.recv(1 << 20):  # type: ignore[union-attr]
                greeted.add(key.fd)
    report.send("ready")
    arrivals: list[tuple[float, float]] = []
    while not report.poll():
        ready = chooser.select(0.2)
        now = time.time()
        for key, _ in ready:
            chunk = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
            start = chunk.find(_STAMP)
            while start >= 0:
                end = chunk.find(b'"', start + len(_STAMP))
                arrivals.append((float(chunk[start + len(_STAMP) : end]), now))
                start = chunk.find(_STAMP, end)
    report.send(arrivals)


@contextmanager
def api(environment: dict[str, str], folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """One API process on these servers; its address."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "bench.live_api:create", "--port", str(port)]
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--no-access-log", "--timeout-graceful-shutdown", "1"],
            env={**clean_environment(), **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx2.get(f"{address}/health/ready").is_success
        except httpx2.HTTPError:
            return False

    try:
        wait_for(answers, 30, "the API answers")
        yield address, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


class Writer:
    """Changes one scene after the other, as a worker would."""

    def __init__(self, environment: dict[str, str], project_id: str, scene_ids: list[str]) -> None:
        settings = settings_of(environment)
        self._scenes = connect_sync(settings)["scenes"]
        self._announcer = Announcer(settings.redis_url)
        self._project_id = project_id
        self._scene_ids = scene_ids
        self.acknowledged: dict[float, float] = {}

    def run(self, seconds: float) -> None:
        began = time.monotonic()
        for number in range(int(seconds * _CHANGES_PER_SECOND)):
            time.sleep(max(0, began + number / _CHANGES_PER_SECOND - time.monotonic()))
            scene_id = self._scene_ids[number % len(self._scene_ids)]
            began_at = time.time()
            self._scenes.update_one({"_id": scene_id}, edit({"text": repr(began_at)}))
            self.acknowledged[began_at] = time.time()
            self._announcer.changed(self._project_id, scene_id)


def make_project(address: str) -> tuple[str, list[str]]:
    with httpx2.Client(base_url=f"{address}/api/v1", timeout=30) as http:
        project = http.post("/projects", json={"title": "bench"}).json()["id"]
        urls = [f"https://example.com/{number}.mp4" for number in range(_SCENES)]
        items = http.post(f"/projects/{project}/scenes/batch", json={"urls": urls}).json()["items"]
    return project, [item["id"] for item in items]


def measure(environment: dict[str, str], folder: Path, way: str, clients: int, seconds: float) -> str:
    """A row of the table."""
    with api(environment, folder) as (address, process):
        project, scenes = make_project(address)
        writer = Writer(environment, project, scenes)
        before = process.memory_info().rss
        here, there = multiprocessing.Pipe()
        path = f"{_WAYS[way]}/projects/{project}/events"
        reader = multiprocessing.Process(target=watch, args=(address, path, clients, there), daemon=True)
        reader.start()
        here.recv()
        each = (process.memory_info().rss - before) / clients / 1000
        writer.run(1)  # warm
        used = process.cpu_times()
        writer.run(seconds)
        time.sleep(1)
        cpu = sum(process.cpu_times()[:2]) - sum(used[:2])
        here.send("stop")
        arrivals = here.recv()
        reader.join()
        after = (process.memory_info().rss - before) / clients / 1000
    got = len(arrivals) / (len(writer.acknowledged) * clients)
    written = centiles(at - began for began, at in writer.acknowledged.items())
    whole = centiles(at - began for began, at in arrivals)
    since = centiles(at - writer.acknowledged[began] for began, at in arrivals)
    return (
        f"| {way} | {clients} | {whole} | {since} | {written} | {each:.1f} | {after:.1f} | {cpu / seconds:.2f} |"
        f" {got:.0%} |"
    )


def centiles(seconds: Iterable[float]) -> str:
    """The 50th and the 99th, in milliseconds."""
    ordered = sorted(seconds)
    return " / ".join(f"{1000 * ordered[int(share * len(ordered))]:.0f}" for share in (0.5, 0.99))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clients", type=int, nargs="+", default=[1000, 5000])
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--ways", nargs="+", default=list(_WAYS), choices=list(_WAYS))
    arguments.add_argument("--times", type=int, default=1)
    options = arguments.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as name, embedded_servers(Path(name) / "servers") as environment:
        print("| way | clients | from the write | from its answer | the write | kB | kB after | cores | arrived |")
        print("|---|---|---|---|---|---|---|---|---|")
        for clients in options.clients:
            for _ in range(options.times):
                for way in options.ways:
                    print(measure(environment, Path(name), way, clients, options.seconds), flush=True)


if __name__ == "__main__":
    main()

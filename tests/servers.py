"""What tests of several kinds stand on: the embedded servers, settings, samples, and waiting with a deadline."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from app.core.config import Settings
from app.demo.samples import Samples, make_samples
from app.embedded.data_folder import read_running

T = TypeVar("T")

_READY_SECONDS = 60.0
_STOP_SECONDS = 20.0

# A process of its own, because a supervisor takes the signals of the process that it runs in.
_SERVICE = """
import asyncio, json, os, sys
from pathlib import Path
from app.core.process import die_with_parent
from app.embedded.data_folder import DataFolderLock, Running
from app.embedded.servers import plan
from app.embedded.supervisor import Supervisor

die_with_parent(int(sys.argv[3]))
data_dir = Path(sys.argv[1])

async def main(lock):
    planned = plan(json.loads(sys.argv[2]), data_dir)
    async def bring_up(supervisor):
        await supervisor.start(planned.servers)
        lock.announce(Running("http://127.0.0.1:8000", os.getpid(), planned.environment))
    return await Supervisor(data_dir, quiet=True).run(bring_up)

with DataFolderLock(data_dir) as lock:
    sys.exit(asyncio.run(main(lock)))
"""


@contextmanager
def embedded_servers(data_dir: Path, configured: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """Redis, S3 and MongoDB's wire protocol, less what `configured` names already (as `MONGODB_URI` and so on).

    Yields the environment variables that lead to all of them.
    """
    given = dict(configured or {})
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "supervisor.log").open("wb") as log:
        service = subprocess.Popen(
            [sys.executable, "-c", _SERVICE, str(data_dir), json.dumps(given), str(os.getpid())],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: _is_ready(service, data_dir), seconds=_READY_SECONDS, what="the servers are ready")
        running = read_running(data_dir)
        assert running is not None
        yield {**given, **running.environment}
    finally:
        service.terminate()
        try:
            service.wait(_STOP_SECONDS)
        finally:
            service.kill()
            service.wait()


def _is_ready(service: "subprocess.Popen[bytes]", data_dir: Path) -> bool:
    assert service.poll() is None, (data_dir / "supervisor.log").read_text()
    running = read_running(data_dir)
    return running is not None and running.pid == service.pid


def settings_of(environment: Mapping[str, str], **more: Any) -> Settings:
    """Settings made of these variables and fields alone, whatever the environment of the test run holds."""
    values: dict[str, Any] = {name.lower(): value for name, value in environment.items()}
    return Settings.model_validate({**values, **more})


def shared_samples(factory: pytest.TempPathFactory) -> Samples:
    """The sample media, made once for a test run and its parallel workers; for reading only."""
    own = factory.getbasetemp()
    return make_samples((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "samples")


def wait_for(look: Callable[[], T | None], seconds: float, what: str) -> T:
    """The first true value that `look` gives; fails with `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.03)


def eventually(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait until the condition holds; fail where it does not within so many seconds."""
    wait_for(condition, seconds, what)


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The link of a server that gives its one connection this answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/clip.mp4"
        thread.join(5)

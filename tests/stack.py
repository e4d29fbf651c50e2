"""The whole of Takeup as a user runs it, in a data folder of its own: what the integration tests stand on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from app.core.config import Settings
from app.embedded.data_folder import read_running
from tests.servers import wait_for
from tests.service import Service

QUICK = {
    "TAKEUP_ALLOW_NETWORKS": "127.0.0.1/32",
    "TAKEUP_LEASE_SECONDS": "3",
    "TAKEUP_RECONCILE_SECONDS": "1",
    "TAKEUP_CLAIM_GRACE_SECONDS": "2",
    "TAKEUP_PENDING_GRACE_SECONDS": "3",
    "TAKEUP_RETRY_BASE_SECONDS": "0.3",
    "TAKEUP_READ_TIMEOUT_SECONDS": "3",
    "TAKEUP_RESOLVE_SECONDS": "20",
    "TAKEUP_MAX_BYTES": str(64 << 20),
    "TAKEUP_TRASH_SECONDS": "2",
    "TAKEUP_SHUTDOWN_SECONDS": "4",
}
"""Short times, so that what takes a minute in production takes seconds here; the code is the same."""

_PORT_CHOICES = 3

# `takeup up`, which ends with the test run, however that ends.
_UP = """
import sys
from app.core.process import die_with_parent
die_with_parent(int(sys.argv.pop(1)))
from app.cli import app
app()
"""

IN_COMMAND_LINE = {
    "redis": "redis-server",
    "s3": "weed",
    "mongodb": "nx-27017",
    "api": "app.cli api",
    "worker": "media@",
    "beat": "maintenance@",
    "flower": "celery_app flower",
}


class RunningStack(Service):
    """A `takeup up`, and what a test needs to look at it and to hurt it."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self._environment = {**clean_environment(), **environment}
        self.start()

    def start(self) -> None:
        """Start it (again), and wait until it is ready."""
        self._output = (self.data_dir.parent / f"{self.data_dir.name}.out").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _UP, str(os.getpid()), "up", "--port", "0", "--data-dir", str(self.data_dir)],
            env=self._environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            running = wait_for(self._running, 60, f"ready ({self._output.name})")
        except AssertionError:
            self.process.kill()  # all that it started dies with it
            self.process.wait()
            self._output.close()
            raise
        self.connect(running.url, running.environment)

    def _running(self) -> Any:
        if self.process.poll() is not None:
            raise AssertionError(f"takeup up ended: {Path(self._output.name).read_text()}")
        return read_running(self.data_dir)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it by a signal, and wait until no process of it is left."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.disconnect()
        self._output.close()
        self.process.send_signal(number)
        self.process.wait(60)
        _, alive = psutil.wait_procs(children, 10)
        assert not alive, f"left behind: {[child.cmdline() for child in alive]}"

    def pid(self, name: str) -> int:
        """The process of that name that the supervisor started."""

        def look() -> int | None:
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.Error):
                    if IN_COMMAND_LINE[name] in " ".join(child.cmdline()):
                        return child.pid
            return None

        return wait_for(look, 15, f"a process named {name}")

    def pool_children(self) -> list[psutil.Process]:
        """The processes in which downloads run."""
        return psutil.Process(self.pid("worker")).children()

    def signal(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pid(name), number)

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        process = psutil.Process(self.pid(name))
        process.kill()
        wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 5, f"{name} killed")

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(name, signal.SIGCONT)


def clean_environment() -> dict[str, str]:
    """The environment of this process without any setting of Takeup."""
    names = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name not in names}


@contextmanager
def running_stack(data_dir: Path, **environment: str) -> Iterator[RunningStack]:
    """A stack with short times; `environment` goes over them."""
    stack = _started(data_dir, {**QUICK, **environment})
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.stop()


def _started(data_dir: Path, environment: Mapping[str, str]) -> RunningStack:
    """A stack; where stacks that start side by side chose the same port, it chooses again."""
    for _ in range(_PORT_CHOICES):
        try:
            return RunningStack(data_dir, environment)
        except AssertionError as error:
            if "Address already in use" not in str(error):
                raise
    return RunningStack(data_dir, environment)

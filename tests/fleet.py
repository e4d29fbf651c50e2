"""Takeup as a fleet runs it: servers, API and reconciler, and workers that a test starts and stops one by one."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from os import killpg
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from typing import Any

import httpx2
import psutil

from app.core.process import die_with_parent
from app.embedded.ports import free_port
from tests.servers import embedded_servers, wait_for
from tests.service import Service
from tests.stack import QUICK, clean_environment

_START_SECONDS = 60.0


class FleetProcess:
    """One process of ours, in a group of its own, with its output in a file."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", *arguments],
                env={**clean_environment(), **environment},
                cwd=log.parent,  # where no `.env` is read
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it calls the kernel alone
            )
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def children(self) -> list[psutil.Process]:
        """The processes in which jobs run."""
        return psutil.Process(self.pid).children()

    def freeze(self) -> None:
        """Stop it and its pool children, as a machine that hangs does."""
        killpg(self.pid, SIGSTOP)

    def thaw(self) -> None:
        killpg(self.pid, SIGCONT)

    def kill(self) -> None:
        """SIGKILL it and its pool children, as a machine that loses power does."""
        with suppress(ProcessLookupError):
            killpg(self.pid, SIGKILL)
        self._process.wait(10)

    def terminate(self, seconds: float) -> tuple[int, float]:
        """SIGTERM; its exit code, and how many seconds it took. Killed, and an AssertionError, after so many."""
        began = time.monotonic()
        self._process.send_signal(SIGTERM)
        try:
            return self._process.wait(seconds), time.monotonic() - began
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end within {seconds:g} s of SIGTERM: {self.log}") from None


class Fleet(Service):
    """Servers, API and reconciler; no worker until a test starts one."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._processes: list[FleetProcess] = []
        port = free_port()
        scratch = {"TAKEUP_DATA_DIR": str(folder), "TAKEUP_SCRATCH_DIR": str(folder / "scratch")}
        self.connect(f"http://127.0.0.1:{port}", {**environment, **scratch})
        self._start(["api", "--port", str(port)], {})
        self.maintenance = self._start_maintenance({})
        wait_for(self._answers, _START_SECONDS, f"the API answers ({self._folder})")
        self._wait_online(self.maintenance)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health/ready").status_code == 200
        except httpx2.HTTPError:
            return False

    def _start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> FleetProcess:
        name = "maintenance" if "--maintenance" in arguments else arguments[0]
        log = self._folder / f"{name}-{len(self._processes)}.log"
        process = FleetProcess(arguments, {**self.environment, **environment}, log)
        self._processes.append(process)
        return process

    def _start_maintenance(self, environment: Mapping[str, str]) -> FleetProcess:
        return self._start(["worker", "--maintenance"], environment)

    @contextmanager
    def another_maintenance(self, **environment: str) -> Iterator[None]:
        """Another reconciler, with beat inside, takes the place of the fleet's; `environment` goes over the fleet's."""
        self.maintenance.kill()
        self.maintenance = self._start_maintenance(environment)
        self._wait_online(self.maintenance)
        try:
            yield
        finally:
            self.maintenance.kill()
            self.maintenance = self._start_maintenance({})

    def start_worker(self, **environment: str) -> FleetProcess:
        """A worker that begins to start; `environment` goes over the fleet's."""
        return self._start(["worker"], environment)

    def online_workers(self, *environments: Mapping[str, str]) -> list[FleetProcess]:
        """New workers that take messages; each environment goes over the fleet's."""
        workers = [self.start_worker(**environment) for environment in environments]
        for worker in workers:
            self._wait_online(worker)
        return workers

    def online_worker(self, **environment: str) -> FleetProcess:
        """A new worker that takes messages."""
        [worker] = self.online_workers(environment)
        return worker

    def _wait_online(self, process: FleetProcess) -> None:
        wait_for(lambda: process.pid in self._pids_online(), _START_SECONDS, f"online ({process.log})")

    def _pids_online(self) -> set[int]:
        answers: list[dict[str, Any]] = self.celery.control.broadcast("stats", reply=True, timeout=0.5) or []
        return {stats["pid"] for answer in answers for stats in answer.values()}

    def stop_workers(self) -> None:
        """Kill every worker, however it is."""
        for process in self._processes:
            if process.log.name.startswith("worker-"):
                process.kill()

    def stop(self) -> None:
        self.disconnect()
        for process in reversed(self._processes):
            process.kill()


@contextmanager
def running_fleet(folder: Path, settings: Mapping[str, str] = QUICK) -> Iterator[Fleet]:
    """A fleet, with short times where nothing else is asked for."""
    with embedded_servers(folder / "servers") as servers:
        fleet = Fleet(folder, {**settings, **servers})
        try:
            yield fleet
        finally:
            fleet.stop()

"""The whole of Takeup on one machine: the servers that are not configured, then the API, the workers and Flower."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
from pydantic import ValidationError

from app.core.celery_app import make_celery, online_workers
from app.core.config import Settings, configured_environment, problems_of
from app.embedded.data_folder import DataFolderLock, Running
from app.embedded.ports import free_port, is_free
from app.embedded.process import ProcessSpec
from app.embedded.servers import Plan, plan
from app.embedded.supervisor import Supervisor

_WORKER_GRACE_SECONDS = 10.0  # beyond the time in which it finishes or hands over what it has
_PING_SECONDS = 0.5


class InvalidSettingsError(Exception):
    """The settings do not allow a start; one line per problem."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True)
class StackOptions:
    """How to run it: `port` 0 takes any free one; `environment` goes over what is configured.

    An `isolated` stack takes nothing from the environment or `.env`: no server of anybody's is touched.
    """

    data_dir: Path
    host: str | None = None
    port: int | None = None
    concurrency: int | None = None
    environment: Mapping[str, str] | None = None
    isolated: bool = False


class Stack:
    """Plans the processes, and starts them in order under a supervisor."""

    def __init__(self, options: StackOptions) -> None:
        """Raises `InvalidSettingsError` before anything runs; hold the data folder's lock."""
        self._isolated = options.isolated
        found = {} if options.isolated else configured_environment()
        configured = {**found, **(options.environment or {})}
        self._plan: Plan = plan(configured, options.data_dir)
        self._settings_environment = {
            **configured,
            **self._plan.environment,
            "TAKEUP_DATA_DIR": str(options.data_dir.resolve()),
            **({"TAKEUP_CONCURRENCY": str(options.concurrency)} if options.concurrency else {}),
        }
        self.settings = _checked(self._settings_environment)
        self._host = options.host or self.settings.takeup_host
        self._port = self._choose_port(options.port)
        self._flower_port = free_port(taken=[self._port])

    @property
    def url(self) -> str:
        """The address to open."""
        shown = "127.0.0.1" if self._host in {"0.0.0.0", "::", ""} else self._host  # noqa: S104 - shown, not bound
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self._port}"

    def _choose_port(self, wanted: int | None) -> int:
        port = self.settings.takeup_port if wanted is None else wanted
        if port and is_free(port):
            return port
        if wanted:
            raise InvalidSettingsError([f"port {wanted} is taken: choose another with --port"])
        return free_port()

    async def start(self, supervisor: Supervisor, lock: DataFolderLock) -> None:
        """Start everything, wait until all of it is ready, and announce it in the data folder."""
        await supervisor.start(self._plan.servers)
        await supervisor.start(self._processes())
        environment = {name: value for name, value in self._settings_environment.items() if name in _names()}
        lock.announce(Running(self.url, os.getpid(), environment))

    def _processes(self) -> list[ProcessSpec]:
        flower = f"http://127.0.0.1:{self._flower_port}"
        takeup = [sys.executable, "-m", "app.cli"]
        names = _names() if self._isolated else set()
        environment = {
            **{name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in names},
            **{name: value for name, value in self._settings_environment.items() if name in _names()},
            "TAKEUP_FLOWER_URL": flower,
            "PYTHONUNBUFFERED": "1",
        }
        grace = self.settings.takeup_shutdown_seconds + _WORKER_GRACE_SECONDS
        folder = self.settings.takeup_data_dir if self._isolated else None  # where no `.env` is read
        return [
            ProcessSpec(
                name="api",
                argv=[*takeup, "api", "--host", self._host, "--port", str(self._port)],
                env=environment,
                cwd=folder,
                ready=lambda: _answers(f"{self.url}/health/ready"),
            ),
            ProcessSpec(
                name="worker",
                argv=[*takeup, "worker"],
                env=environment,
                cwd=folder,
                ready=lambda: self._worker_answers("media"),
                stop_grace_seconds=grace,
            ),
            ProcessSpec(
                name="beat",
                argv=[*takeup, "worker", "--maintenance"],
                env=environment,
                cwd=folder,
                ready=lambda: self._worker_answers("maintenance"),
                stop_grace_seconds=grace,
            ),
            ProcessSpec(
                name="flower",
                argv=[*takeup, "flower", "--port", str(self._flower_port)],
                env=environment,
                cwd=folder,
                ready=lambda: _answers(f"{flower}/healthcheck"),
                echo=False,
            ),
        ]

    async def _worker_answers(self, name: str) -> bool:
        celery = make_celery(lambda: self.settings)
        workers = await asyncio.to_thread(online_workers, celery, _PING_SECONDS)
        return any(worker.startswith(f"{name}@") for worker in workers or ())


def _names() -> set[str]:
    return {name.upper() for name in Settings.model_fields}


def _checked(environment: Mapping[str, str]) -> Settings:
    values = {name.lower(): value for name, value in environment.items() if name in _names()}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise InvalidSettingsError(problems_of(error)) from error


async def _answers(url: str) -> bool:
    try:
        async with httpx2.AsyncClient(timeout=2) as client:
            return (await client.get(url)).status_code == 200
    except httpx2.HTTPError:
        return False

"""The images and the composition of services: read as files, and run as local processes with the same environment."""

import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from os import defpath, killpg
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis

from app.core.celery_app import make_celery, online_workers
from app.embedded.ports import free_port
from tests.compose import (
    COMPOSE,
    DOTENV,
    OURS,
    Container,
    interpolated,
)
from tests.servers import embedded_servers, eventually, settings_of


def local(value: Any, ports: Mapping[str, int]) -> Any:
    """The value with a container's ports replaced by free ones of this machine."""
    if isinstance(value, list):
        return [local(item, ports) for item in value]
    for port, free in ports.items():
        value = value.replace(port, str(free))
    return value


@dataclass(frozen=True)
class Local:
    """A container's command as a process of this machine, in a group of its own."""

    name: str
    environment: Mapping[str, str]
    healthcheck: list[str]
    process: "subprocess.Popen[bytes]"
    log: Path

    def eventually(self, condition: Callable[[], bool], what: str) -> None:
        def holds_or_dead() -> bool:
            assert self.process.poll() is None, f"{self.name} ended"
            return condition()

        try:
            eventually(holds_or_dead, seconds=25, what=f"{self.name} {what}")
        except AssertionError as error:
            error.add_note(self.log.read_text())
            raise

    def check_health(self) -> int:
        return run(self.healthcheck, self.environment, self.log.parent).returncode


def run(command: list[str], environment: Mapping[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, env=dict(environment), cwd=folder, capture_output=True, text=True, timeout=20, check=False
    )


@contextmanager
def started(
    name: str, command: list[str], environment: Mapping[str, str], folder: Path, healthcheck: list[str]
) -> Iterator[Local]:
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Local(name, environment, healthcheck, process, log)
    finally:
        process.terminate()
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
        finally:
            # The group lives on where one of its processes does, even when its first has ended.
            with suppress(ProcessLookupError):
                killpg(process.pid, signal.SIGKILL)
            process.wait()


def bare_environment(folder: Path) -> dict[str, str]:
    return {"PATH": f"{sysconfig.get_path('scripts')}:{defpath}", "HOME": str(folder), "LANG": "C.UTF-8"}


def test_redis_runs_with_what_its_container_is_given(tmp_path: Path) -> None:
    service = interpolated(COMPOSE["services"]["redis_cache"], DOTENV)
    ports = {"6379": free_port()}
    environment = {**bare_environment(tmp_path), **service["environment"]}
    test = ["sh", "-c", *local(service["healthcheck"]["test"][1:], ports)]
    with started("redis", local(service["command"], ports), environment, tmp_path, test) as running:
        running.eventually(lambda: running.check_health() == 0, "is healthy")
        assert run(test, {**environment, "REDISCLI_AUTH": "wrong"}, tmp_path).returncode != 0
        password = DOTENV["REDIS_PASSWORD"]
        with closing(redis.Redis(port=ports["6379"], password=password, decode_responses=True)) as client:
            wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
            assert {name: client.config_get(name)[name] for name in wanted} == wanted
        commands = Path(f"/proc/{running.process.pid}/cmdline")
        assert not commands.exists() or password not in commands.read_text()


def stop(*services: Local) -> list[int]:
    for service in services:
        service.process.terminate()
    return [service.process.wait(20) for service in services]


def status_of(url: str, **options: Any) -> int:
    try:
        with httpx2.Client(trust_env=False, timeout=5) as client:
            return client.get(url, **options).status_code
    except httpx2.HTTPError:
        return 0


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, str]]:
    with embedded_servers(tmp_path / "data") as environment:
        yield environment


def test_every_service_becomes_healthy_in_the_documented_order(servers: dict[str, str], tmp_path: Path) -> None:
    api_port = free_port()
    ports = {"8000": api_port, "5555": free_port(taken=[api_port])}
    containers = {name: Container.of(name, DOTENV) for name in OURS}

    def environment_of(name: str) -> dict[str, str]:
        given = {key: local(value, ports) for key, value in containers[name].environment.items()}
        return given | servers | bare_environment(tmp_path) | {"TAKEUP_SCRATCH_DIR": str(tmp_path / "scratch")}

    backend = environment_of("backend")
    too_early = run(containers["backend"].command, backend, tmp_path)
    assert too_early.returncode == 2
    assert "takeup keys create NAME" in too_early.stderr
    key = run(["takeup", "keys", "create", "operator"], backend, tmp_path).stdout.strip()
    assert key.startswith("tk_")

    api, flower = (f"http://127.0.0.1:{ports[port]}" for port in ("8000", "5555"))
    celery = make_celery(lambda: settings_of(backend))

    def answers(worker: str) -> bool:
        return any(name.startswith(f"{worker}@") for name in online_workers(celery, 0.5) or ())

    with ExitStack() as stack, ThreadPoolExecutor(len(OURS)) as pool:
        running = {
            name: stack.enter_context(
                started(
                    name,
                    local(container.command, ports),
                    environment_of(name),
                    tmp_path,
                    local(container.healthcheck, ports),
                )
            )
            for name, container in containers.items()
        }
        bearer = {"Authorization": f"Bearer {key}"}
        running["backend"].eventually(lambda: status_of(f"{api}/health/ready", headers=bearer) == 200, "is ready")
        running["flower"].eventually(lambda: status_of(f"{flower}/healthcheck") == 200, "is ready")
        running["celery_worker"].eventually(lambda: answers("media"), "answers a ping")
        running["celery_beat"].eventually(lambda: answers("maintenance"), "answers a ping")

        assert status_of(f"{api}/api/v1/projects", headers=bearer) == 200
        assert status_of(f"{api}/api/v1/projects") == 401
        assert status_of(flower, auth=("operator", "reel"), follow_redirects=True) == 200
        assert status_of(flower) == 401

        def healthy(*names: str) -> set[str]:
            exit_codes = pool.map(Local.check_health, [running[name] for name in names])
            return {name for name, exit_code in zip(names, exit_codes, strict=True) if exit_code == 0}

        assert healthy(*OURS) == set(OURS)
        # Uvicorn stops in order too, and then ends by the signal that it was given.
        assert stop(running["backend"], running["celery_beat"]) == [-signal.SIGTERM, 0]
        # The other worker still answers, but not for this one.
        assert healthy("backend", "celery_beat", "celery_worker") == {"celery_worker"}
        assert stop(running["celery_worker"], running["flower"]) == [0, 0]
        assert healthy("celery_worker", "flower") == set()

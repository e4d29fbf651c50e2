"""The images and the composition of services: read as files, and run as local processes with the same environment."""

import json
import re
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from os import defpath, killpg
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis
import yaml
from dotenv import dotenv_values

from app.core.celery_app import make_celery, online_workers
from app.embedded.ports import free_port
from tests.servers import embedded_servers, eventually, settings_of

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = ("backend", "celery_worker", "celery_beat", "flower")
OTHERS = ("redis_cache", "mongo")
DOTENV = {name: value or "" for name, value in dotenv_values(ROOT / ".env.example").items()} | {
    "S3_ACCESS_KEY_ID": "access",
    "S3_SECRET_ACCESS_KEY": "secret",
    "REDIS_PASSWORD": "0123456789abcdef",
    "FLOWER_BASIC_AUTH": "operator:reel",
}
REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?P<kind>:[-?])?(?P<text>[^}]*)\})")


class NotSetError(Exception):
    """A `${NAME:?message}` without a value."""


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """The value as Compose reads it: `${A}`, `${A:-default}`, `${A:?message}` and `$$` replaced, at any depth."""
    if isinstance(value, dict):
        return {key: interpolated(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        found = variables.get(match["name"], "")
        if not found and match["kind"] == ":?":
            raise NotSetError(f"{match['name']}: {match['text']}")
        return found or (match["text"] if match["kind"] == ":-" else "")

    return REFERENCE.sub(replace, value)


@dataclass
class Image:
    """What a Dockerfile's last stage sets, and the text of its stages up to there."""

    stages: list[list[str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Image":
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        image = cls()
        for instruction in "\n".join(lines).replace("\\\n", " ").splitlines():
            keyword, _, rest = instruction.partition(" ")
            match keyword:
                case "FROM":
                    image = cls(stages=[*image.stages, []])
                case "ENV":
                    image.environment |= dict(pair.split("=", 1) for pair in rest.split())
                case "USER":
                    image.user = rest
                case "CMD":
                    image.command = json.loads(rest)
                case "HEALTHCHECK":
                    image.healthcheck = json.loads(rest.partition(" CMD ")[2])
            image.stages[-1].append(instruction)
        return image


@dataclass(frozen=True)
class Container:
    """One of our services, with what Compose and its image make of it."""

    service: Mapping[str, Any]
    image: Image
    environment: Mapping[str, str]

    @classmethod
    def of(cls, name: str, dotenv: Mapping[str, str]) -> "Container":
        service = interpolated(COMPOSE["services"][name], dotenv)
        image = Image.read(ROOT / service["build"]["dockerfile"])
        return cls(service, image, {**image.environment, **dotenv, **service["environment"]})

    @property
    def command(self) -> list[str]:
        return list(self.service.get("command", self.image.command))

    @property
    def healthcheck(self) -> list[str]:
        own = self.service.get("healthcheck")
        return list(own["test"][1:]) if own else self.image.healthcheck


def seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration.removesuffix("s"))


def test_services_are_the_documented_ones() -> None:
    assert set(COMPOSE["services"]) == {*OURS, *OTHERS}
    dockerfiles = {name: COMPOSE["services"][name]["build"]["dockerfile"] for name in OURS}
    assert dockerfiles == dict.fromkeys(OURS, "Dockerfile") | {"celery_worker": "Dockerfile.worker"}


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_confined_and_watched(name: str) -> None:
    container = Container.of(name, DOTENV)
    service = container.service
    assert int(container.image.user.partition(":")[0]) > 0
    assert "user" not in service
    assert container.healthcheck[0] == "python"
    assert service["env_file"] == ".env"
    assert service["depends_on"] == {other: {"condition": "service_healthy"} for other in OTHERS}
    assert service["init"] is True
    assert container.environment["PYTHONUNBUFFERED"] == "1"
    assert container.environment["MONGODB_URI"] == "mongodb://mongo:27017/"
    assert container.environment["REDIS_URL"] == "redis://:0123456789abcdef@redis_cache:6379/0"


@pytest.mark.parametrize("name", [*OURS, *OTHERS])
def test_every_container_has_few_rights_and_bounds(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert name in OURS or {"user", "healthcheck", "volumes"} <= set(service)


def test_databases_are_reached_by_our_services_alone() -> None:
    assert COMPOSE["networks"]["data"] == {"internal": True}
    for name in OTHERS:
        service = COMPOSE["services"][name]
        assert service["networks"] == ["data"]
        assert "ports" not in service
        assert "env_file" not in service
        assert re.search(r":\d+\.\d+\.\d+-\w+$", service["image"])


def test_only_this_machine_is_served_unless_told_otherwise() -> None:
    published = {name: Container.of(name, DOTENV).service.get("ports") for name in OURS}
    assert published == {
        "backend": ["127.0.0.1:8000:8000"],
        "flower": ["127.0.0.1:5555:5555"],
        "celery_worker": None,
        "celery_beat": None,
    }
    told = Container.of("backend", DOTENV | {"TAKEUP_HOST": "192.0.2.1", "TAKEUP_PORT": "80"})
    assert told.service["ports"] == ["192.0.2.1:80:8000"]
    assert (told.environment["TAKEUP_HOST"], told.environment["TAKEUP_PORT"]) == ("0.0.0.0", "8000")


@pytest.mark.parametrize("name", ["REDIS_PASSWORD", "FLOWER_BASIC_AUTH"])
def test_missing_secret_is_named(name: str) -> None:
    with pytest.raises(NotSetError, match=name):
        interpolated(COMPOSE["services"], DOTENV | {name: ""})


def test_images_differ_in_their_purpose_alone() -> None:
    api, worker = Image.read(ROOT / "Dockerfile"), Image.read(ROOT / "Dockerfile.worker")
    assert api.stages[:-1] == worker.stages[:-1]
    assert [line for line in worker.stages[-1] if not line.startswith(("HEALTHCHECK", "CMD"))] == [
        line
        for line in api.stages[-1]
        if not line.startswith(("HEALTHCHECK", "CMD", "EXPOSE")) and "TAKEUP_HOST" not in line
    ]


def test_what_images_copy_is_let_through_to_them() -> None:
    copied: set[str] = set()
    for stage in Image.read(ROOT / "Dockerfile").stages:
        for line in stage:
            if line.startswith("COPY ") and "--from" not in line:
                copied |= {source.removeprefix("./") for source in line.split()[1:-1]}
    rules = [rule for rule in (ROOT / ".dockerignore").read_text().splitlines() if not rule.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)


def test_workers_are_given_longer_than_they_take_to_stop() -> None:
    takes = make_celery(lambda: settings_of(DOTENV)).conf.worker_soft_shutdown_timeout
    for name in ("celery_worker", "celery_beat"):
        assert seconds(COMPOSE["services"][name]["stop_grace_period"]) >= takes + 5


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

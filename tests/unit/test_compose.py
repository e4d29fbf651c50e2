"""The container files say what they should; what runs in them is tested in tests/integration/test_containers.py."""

import re

import pytest

from tests.compose import COMPOSE, DOTENV, OTHERS, OURS, ROOT, Container, Image, NotSetError, interpolated, seconds
from tests.servers import settings_of


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
    assert [stage for stage in api.stages[:-1] if not stage[0].endswith(" AS page")] == worker.stages[:-1]
    assert [line for line in worker.stages[-1] if not line.startswith(("HEALTHCHECK", "CMD"))] == [
        line
        for line in api.stages[-1]
        if not line.startswith(("HEALTHCHECK", "CMD", "EXPOSE", "COPY --from=page")) and "TAKEUP_HOST" not in line
    ]


def test_what_images_copy_is_let_through_to_them() -> None:
    copied: set[str] = set()
    for stage in Image.read(ROOT / "Dockerfile").stages:
        for line in stage:
            if line.startswith("COPY ") and "--from" not in line:
                copied |= {source.removeprefix("./").partition("/")[0] for source in line.split()[1:-1]}
    rules = [rule for rule in (ROOT / ".dockerignore").read_text().splitlines() if not rule.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)


def test_workers_are_given_longer_than_they_take_to_stop() -> None:
    takes = settings_of(DOTENV).takeup_shutdown_seconds
    for name in ("celery_worker", "celery_beat"):
        assert seconds(COMPOSE["services"][name]["stop_grace_period"]) >= takes + 5


def test_worker_is_stopped_by_the_signal_that_lets_it_finish() -> None:
    for name in ("celery_worker", "celery_beat"):
        container = Container.of(name, DOTENV)
        assert "REMAP_SIGTERM" not in container.environment
        assert container.service.get("stop_signal", "SIGTERM") == "SIGTERM"

"""docker-compose.yml and the Dockerfiles, as tests read them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

ROOT = Path(__file__).parents[1]
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

"""Every setting of Takeup, read once from the environment and `.env`, and checked before anything starts."""

import os
import sys
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

MIB = 1024 * 1024
NO_SAMPLE = "none"
EXAMPLE_SECRET = "change-me"  # noqa: S105 - the value in .env.example, which no start accepts


def _url_of(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not parts.netloc:
            raise ValueError(f"must be a URL that begins with {' or '.join(f'{s}://' for s in schemes)}")
        return value

    return AfterValidator(check)


def _link_or_none(value: str) -> str:
    if value != NO_SAMPLE and not value.startswith(("https://", "http://")):
        raise ValueError(f"must be a URL that begins with http:// or https://, or {NO_SAMPLE!r}")
    return value


class SecretFileSource(PydanticBaseSettingsSource):
    """Reads `NAME` from the file that `NAME_FILE` points at (the convention of Docker and Kubernetes secrets)."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        path = os.environ.get(f"{field_name.upper()}_FILE")
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            raise UnreadableSecretError(f"{field_name.upper()}_FILE", path, error.strerror) from error
        except UnicodeDecodeError as error:
            raise UnreadableSecretError(f"{field_name.upper()}_FILE", path, "it is no text") from error

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


class UnreadableSecretError(Exception):
    """A `*_FILE` variable names a file that cannot be read."""

    def __init__(self, variable: str, path: str, reason: str | None) -> None:
        super().__init__(f"{variable}: cannot read {path} ({reason})")


class Settings(BaseSettings):
    """One field is one environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, allow_inf_nan=False
    )

    mongodb_uri: Annotated[str, _url_of("mongodb", "mongodb+srv")]
    mongodb_database: str = Field("takeup", pattern=r"^[A-Za-z0-9_-]{1,38}$")
    redis_url: Annotated[str, _url_of("redis", "rediss")]
    celery_broker_url: Annotated[str, _url_of("redis", "rediss", "amqp", "amqps")] | None = None
    s3_endpoint_url: Annotated[str, _url_of("http", "https")]
    s3_region: str = "auto"
    s3_bucket: str = Field("takeup", min_length=3, max_length=63)
    s3_access_key_id: str = Field(min_length=1)
    s3_secret_access_key: SecretStr = Field(min_length=1)

    takeup_host: str = "127.0.0.1"
    takeup_port: int = Field(8000, ge=1, le=65535)
    takeup_public_url: Annotated[str, _url_of("http", "https")] | None = None
    takeup_data_dir: Path = Path(".takeup")
    takeup_scratch_dir: Path | None = None
    takeup_concurrency: int = Field(2, ge=1, le=256)
    takeup_session_days: int = Field(30, ge=1, le=365)
    takeup_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    takeup_flower_url: Annotated[str, _url_of("http", "https")] | None = None
    takeup_sample_url: Annotated[str, AfterValidator(_link_or_none)] = "https://media.w3.org/2010/05/sintel/trailer.mp4"

    takeup_allow_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    takeup_egress_proxy: SecretStr | None = None
    takeup_max_redirects: int = Field(5, ge=0, le=20)
    takeup_max_playlist_entries: int = Field(20_000, ge=1)
    takeup_max_bytes: int = Field(10 * 1024 * MIB, ge=1)
    takeup_max_duration_seconds: int = Field(6 * 3600, ge=1)
    takeup_max_height: int = Field(1080, ge=144)
    takeup_fetch_connections: int = Field(4, ge=1, le=16)
    takeup_host_connections: int = Field(16, ge=1)
    takeup_min_bytes_per_second: int = Field(1024, ge=0)
    takeup_max_body_bytes: int = Field(MIB, ge=1024)

    takeup_max_attempts: int = Field(5, ge=1, le=20)
    takeup_retry_base_seconds: float = Field(5, gt=0)
    takeup_retry_max_seconds: float = Field(900, gt=0)
    takeup_lease_seconds: float = Field(30, ge=2, le=120)
    takeup_claim_grace_seconds: float = Field(20, gt=0)
    takeup_pending_grace_seconds: float = Field(60, gt=0)
    takeup_reconcile_seconds: float = Field(10, gt=0)
    takeup_job_seconds: int = Field(3600, ge=10)
    takeup_read_timeout_seconds: float = Field(30, gt=0)
    takeup_resolve_seconds: float = Field(60, ge=1, le=300)
    takeup_trash_seconds: float = Field(30, ge=0, le=86400)
    takeup_shutdown_seconds: float = Field(20, ge=1, le=3600)
    takeup_host_failures: int = Field(5, ge=1)
    takeup_min_free_bytes: int = Field(512 * MIB, ge=0)
    takeup_presign_seconds: int = Field(3600, ge=60, le=604800)

    @field_validator("takeup_allow_networks", mode="before")
    @classmethod
    def _parse_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",") if part.strip()]
        try:
            return [ip_network(part) for part in parts]
        except ValueError as error:
            raise ValueError(f"{error}: write networks as 10.1.0.0/16, with commas between") from error

    @field_validator("takeup_egress_proxy")
    @classmethod
    def _check_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value()) if value else None
        if parts and (parts.scheme != "http" or not parts.hostname or parts.port == 0 or parts.path not in {"", "/"}):
            raise ValueError("must be the address of an HTTP proxy, as http://proxy.example:4750")
        return value

    @field_validator("s3_secret_access_key", "s3_access_key_id")
    @classmethod
    def _refuse_example(cls, value: SecretStr | str) -> SecretStr | str:
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if plain == EXAMPLE_SECRET:
            raise ValueError("still holds the example value: set the key of your bucket")
        return value

    @property
    def broker_url(self) -> str:
        """Where the messages go: Redis, unless another broker is named."""
        return self.celery_broker_url or self.redis_url

    @property
    def page_origins(self) -> list[str]:
        """Where browsers find the page: on this machine, and at the public address if there is one."""
        local = [f"http://{name}:{self.takeup_port}" for name in ("127.0.0.1", "localhost")]
        return [*local, *([origin_of(self.takeup_public_url)] if self.takeup_public_url else [])]

    @property
    def sample_url(self) -> str | None:
        """A link to begin with; None where the operator offers none (an empty value counts as not set)."""
        return None if self.takeup_sample_url == NO_SAMPLE else self.takeup_sample_url

    @property
    def scratch_dir(self) -> Path:
        """Where a job keeps what yt-dlp downloads and merges, until nobody waits for it any more."""
        return self.takeup_scratch_dir or self.takeup_data_dir / "scratch"

    def height_cap(self, asked: int | None) -> int:
        """The height in pixels up to which a format is chosen: of what is asked for and allowed, the lower one."""
        return min(asked or self.takeup_max_height, self.takeup_max_height)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then `*_FILE`, then `.env`."""
        return init_settings, env_settings, SecretFileSource(settings_cls), dotenv_settings


def configured_environment() -> dict[str, str]:
    """What is configured here, by environment variable: the environment, `*_FILE` and `.env`, unchecked."""
    from_file = {name: value for name, value in dotenv_values(".env").items() if value}
    secrets = {name.upper(): str(value) for name, value in SecretFileSource(Settings)().items()}
    return {**from_file, **secrets, **{name: value for name, value in os.environ.items() if value}}


@cache
def get_settings() -> Settings:
    """The settings of this process.

    Raises `pydantic.ValidationError` or `UnreadableSecretError`; an entry point calls `load_settings_or_exit`.
    """
    return Settings()


def problems_of(error: ValidationError) -> list[str]:
    """One readable line per problem, by the name of the environment variable."""
    lines = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"][:1]).upper() or "settings"
        message = item["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {'is not set' if item['type'] == 'missing' else message}")
    return lines


def load_settings_or_exit() -> Settings:
    """The settings, or one line per problem on stderr and exit code 2."""
    try:
        return get_settings()
    except ValidationError as error:
        _refuse(problems_of(error))
    except UnreadableSecretError as error:
        _refuse([str(error)])


def _refuse(lines: list[str]) -> NoReturn:
    sys.stderr.write("Takeup cannot start with these settings:\n" + "".join(f"  {line}\n" for line in lines))
    sys.exit(2)


def origin_of(address: str) -> str:
    """Scheme, host and port of an address, as browsers compare them."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def without_credentials(url: str) -> str:
    """The address with user and password removed, fit for a log."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def describe(settings: Settings) -> list[str]:
    """What a start prints: which database, broker and bucket are in use, without any secret."""
    return [
        f"database  {without_credentials(settings.mongodb_uri)} ({settings.mongodb_database})",
        f"broker    {without_credentials(settings.broker_url)}",
        f"bucket    {without_credentials(settings.s3_endpoint_url)} ({settings.s3_bucket})",
    ]

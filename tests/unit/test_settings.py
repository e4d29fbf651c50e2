"""Settings: what a bad or missing value says, where values come from, and what is never shown."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.config import (
    EXAMPLE_SECRET,
    Settings,
    configured_environment,
    describe,
    get_settings,
    load_settings_or_exit,
    problems_of,
    without_credentials,
)

GOOD = {
    "MONGODB_URI": "mongodb://127.0.0.1:27017/",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "S3_ENDPOINT_URL": "http://127.0.0.1:9000",
    "S3_ACCESS_KEY_ID": "key",
    "S3_SECRET_ACCESS_KEY": "hidden",
}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Good settings and nothing else, in a folder without a `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def load() -> Settings:
    """The settings as this environment gives them."""
    return Settings()


def problems() -> list[str]:
    with pytest.raises(ValidationError) as caught:
        load()
    return problems_of(caught.value)


def exit_message(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a start with these settings prints before it gives up."""
    get_settings.cache_clear()
    with pytest.raises(SystemExit) as caught:
        load_settings_or_exit()
    get_settings.cache_clear()
    assert caught.value.code == 2
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == "Takeup cannot start with these settings:"
    return [line.strip() for line in lines]


def test_good_settings_are_taken() -> None:
    settings = load()
    assert settings.mongodb_uri == GOOD["MONGODB_URI"]
    assert settings.s3_secret_access_key.get_secret_value() == "hidden"
    assert settings.takeup_host == "127.0.0.1"
    assert settings.broker_url == GOOD["REDIS_URL"]


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("empty", [True, False])
def test_missing_value_is_one_line_with_its_name(monkeypatch: pytest.MonkeyPatch, name: str, empty: bool) -> None:
    if empty:
        monkeypatch.setenv(name, "")
    else:
        monkeypatch.delenv(name)
    assert problems() == [f"{name}: is not set"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONGODB_URI", "127.0.0.1"),
        ("MONGODB_URI", "http://127.0.0.1"),
        ("MONGODB_URI", "mongodb://"),
        ("MONGODB_DATABASE", "no spaces"),
        ("MONGODB_DATABASE", "a" * 39),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("CELERY_BROKER_URL", "http://127.0.0.1"),
        ("S3_ENDPOINT_URL", "s3://bucket"),
        ("S3_BUCKET", "ab"),
        ("S3_ACCESS_KEY_ID", EXAMPLE_SECRET),
        ("S3_SECRET_ACCESS_KEY", EXAMPLE_SECRET),
        ("TAKEUP_PORT", "0"),
        ("TAKEUP_PORT", "65536"),
        ("TAKEUP_PORT", "eighty"),
        ("TAKEUP_CONCURRENCY", "0"),
        ("TAKEUP_LOG_LEVEL", "LOUD"),
        ("TAKEUP_MAX_BYTES", "-1"),
        ("TAKEUP_MAX_ATTEMPTS", "0"),
        ("TAKEUP_LEASE_SECONDS", "1"),
        ("TAKEUP_LEASE_SECONDS", "nan"),
        ("TAKEUP_RETRY_BASE_SECONDS", "0"),
        ("TAKEUP_RECONCILE_SECONDS", "inf"),
        ("TAKEUP_PRESIGN_SECONDS", "604801"),
        ("TAKEUP_ALLOW_NETWORKS", "everything"),
        ("TAKEUP_ALLOW_NETWORKS", "10.1.0.0/99"),
        ("TAKEUP_ALLOW_NETWORKS", "10.1.2.3/16"),
    ],
)
def test_bad_value_is_one_line_with_its_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    [line] = problems()
    assert line.startswith(f"{name}: ")
    assert len(line) > len(name) + 5
    assert "\n" not in line


def test_every_problem_is_told_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("MONGODB_URI")
    monkeypatch.setenv("REDIS_URL", "nonsense")
    monkeypatch.setenv("TAKEUP_PORT", "0")
    lines = exit_message(capsys)
    assert sorted(line.partition(":")[0] for line in lines) == ["MONGODB_URI", "REDIS_URL", "TAKEUP_PORT"]


@pytest.mark.parametrize("name", ["S3_SECRET_ACCESS_KEY", "S3_ACCESS_KEY_ID"])
def test_example_secret_is_refused_and_a_secret_is_never_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(name, EXAMPLE_SECRET)
    [line] = exit_message(capsys)
    assert line.startswith(f"{name}: still holds the example value")
    assert "hidden" not in line


def test_bad_address_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongo://user:hidden@127.0.0.1/")
    [line] = exit_message(capsys)
    assert "hidden" not in line


def test_secret_is_read_from_the_file_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-file\n")
    monkeypatch.delenv("S3_SECRET_ACCESS_KEY")
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY_FILE", str(tmp_path / "secret"))
    assert load().s3_secret_access_key.get_secret_value() == "from-file"
    assert configured_environment()["S3_SECRET_ACCESS_KEY"] == "from-file"


def test_environment_goes_before_file_and_file_before_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bucket").write_text("from-file")
    (tmp_path / ".env").write_text("S3_BUCKET=from-dotenv\nS3_REGION=from-dotenv\n")
    assert (load().s3_bucket, load().s3_region) == ("from-dotenv", "from-dotenv")
    monkeypatch.setenv("S3_BUCKET_FILE", str(tmp_path / "bucket"))
    assert load().s3_bucket == "from-file"
    monkeypatch.setenv("S3_BUCKET", "from-environment")
    assert load().s3_bucket == "from-environment"


@pytest.mark.parametrize("value", ["nowhere", "."])
def test_file_that_cannot_be_read_is_one_line_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, value: str
) -> None:
    monkeypatch.delenv("S3_SECRET_ACCESS_KEY")
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY_FILE", str(tmp_path / value))
    [line] = exit_message(capsys)
    assert line.startswith("S3_SECRET_ACCESS_KEY_FILE: cannot read ")


def test_file_that_is_no_text_is_one_line_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe\x00")
    monkeypatch.delenv("S3_SECRET_ACCESS_KEY")
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY_FILE", str(tmp_path / "secret"))
    [line] = exit_message(capsys)
    assert line.startswith("S3_SECRET_ACCESS_KEY_FILE: cannot read ")


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("10.1.0.0/16", ["10.1.0.0/16"]),
        (" 10.1.0.0/16 , fd00::/8,127.0.0.1 ,", ["10.1.0.0/16", "fd00::/8", "127.0.0.1/32"]),
        ("", []),
        (" , ", []),
    ],
)
def test_networks_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch, text: str, networks: list[str]) -> None:
    monkeypatch.setenv("TAKEUP_ALLOW_NETWORKS", text)
    assert load().takeup_allow_networks == tuple(map(ip_network, networks))


def test_other_broker_goes_before_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://127.0.0.1//")
    assert load().broker_url == "amqp://127.0.0.1//"


def test_scratch_is_in_the_data_folder_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load().scratch_dir == Path(".takeup/scratch")
    monkeypatch.setenv("TAKEUP_SCRATCH_DIR", str(tmp_path))
    assert load().scratch_dir == tmp_path


def test_description_shows_where_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://user:hidden@db.example:27017/?authSource=hidden")
    monkeypatch.setenv("REDIS_URL", "redis://:hidden@redis.example:6379/0")
    monkeypatch.setenv("S3_ENDPOINT_URL", "https://key:hidden@bucket.example")
    settings = load()
    lines = "\n".join(describe(settings))
    assert "hidden" not in lines
    assert all(host in lines for host in ("db.example:27017", "redis.example:6379/0", "bucket.example", "takeup"))
    assert "hidden" not in repr(settings.s3_secret_access_key)


def test_password_with_an_at_sign_is_removed_whole() -> None:
    assert without_credentials("redis://user:a@b@host:1/0") == "redis://host:1/0"

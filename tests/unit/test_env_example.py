"""`.env.example` names every setting, tells its default truly, and is refused as long as it holds examples."""

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest

from app.core.config import EXAMPLE_SECRET, Settings, get_settings, load_settings_or_exit

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"
VARIABLE = re.compile(r"^(?P<comment># )?(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
INTERPOLATED = re.compile(r"\$\{([A-Z0-9_]+)")
SETTINGS = {name.upper(): field for name, field in Settings.model_fields.items()}


def variables(*, commented: bool) -> dict[str, str]:
    found = [match for line in EXAMPLE.read_text().splitlines() if (match := VARIABLE.match(line))]
    return {match["name"]: match["value"] for match in found if bool(match["comment"]) == commented}


def compose_only() -> set[str]:
    return set(INTERPOLATED.findall((ROOT / "docker-compose.yml").read_text())) - set(SETTINGS)


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.removesuffix("_FILE") in SETTINGS:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_every_setting_appears_once() -> None:
    names = [match["name"] for line in EXAMPLE.read_text().splitlines() if (match := VARIABLE.match(line))]
    assert sorted(names) == sorted({*SETTINGS, *compose_only()})


def test_required_are_open_and_the_others_commented_out() -> None:
    required = {name for name, field in SETTINGS.items() if field.is_required()}
    assert set(variables(commented=False)) == required | compose_only()


def test_each_has_a_line_that_explains_it() -> None:
    lines = ["", *EXAMPLE.read_text().splitlines()]
    bare = [
        line
        for before, line in pairwise(lines)
        if VARIABLE.match(line) and (not before.startswith("# ") or VARIABLE.match(before))
    ]
    assert bare == []


def test_commented_values_are_the_defaults(tmp_path: Path) -> None:
    required = {
        "MONGODB_URI": "mongodb://db.example/",
        "REDIS_URL": "redis://broker.example/",
        "S3_ENDPOINT_URL": "https://s3.example",
        "S3_ACCESS_KEY_ID": "access",
        "S3_SECRET_ACCESS_KEY": "secret",
    }

    def read(values: dict[str, str]) -> dict[str, object]:
        file = tmp_path / "settings.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return Settings(_env_file=file).model_dump()

    commented = variables(commented=True)
    assert read(required | commented) == read(required)
    # An empty value counts as none at all, so it is right only where nothing is the default.
    assert {SETTINGS[name].default for name, value in commented.items() if not value} <= {None, ()}


def test_secrets_hold_the_value_that_is_refused_or_none() -> None:
    secrets = {"S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"}
    values = variables(commented=False)
    assert {values[name] for name in secrets} == {EXAMPLE_SECRET}
    assert {values[name] for name in compose_only()} == {""}


def test_starting_with_the_examples_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text(EXAMPLE.read_text())
    get_settings.cache_clear()
    with pytest.raises(SystemExit) as refused:
        load_settings_or_exit()
    assert refused.value.code == 2
    first, *problems = capsys.readouterr().err.splitlines()
    assert first == "Takeup cannot start with these settings:"
    assert [problem.partition(":")[0].strip() for problem in problems] == ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"]

"""Experiment 23: nothing on the address list is reached, by no path, on a machine where every address answers.

The list is tests/data/addresses.toml; `--long` takes all of it through the extraction path too.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.security.addresses import read_addresses
from tests.servers import shared_samples

IN_NAMESPACE = ("unshare", "--user", "--map-root-user", "--net", "--mount")
SECONDS = 900
Row = dict[str, Any]


def _possible() -> bool:
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run([*IN_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _possible(), reason="needs iproute2, and a kernel that gives us namespaces")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_samples(tmp_path_factory).folder


def run(path: str, samples: Path, folder: Path, *, whole: bool = True) -> list[Row]:
    command = [*IN_NAMESPACE, "--", sys.executable, "-m", "tests.security.lab", path, str(samples), str(folder)]
    done = subprocess.run(
        [*command, "all" if whole else "some"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def wrongly_answered(rows: list[Row], *, may_be_page: bool) -> list[str]:
    """What was not refused as the list says."""
    return [
        f"{row['name']}: {row['link']!r} -> {row['to']!r}: {row['outcome']}, not {' or '.join(row['codes'])}"
        for row in rows
        if row["outcome"] not in row["codes"] and not (may_be_page and row["has_page"] and row["outcome"] == "page")
    ]


def connected(rows: list[Row]) -> list[str]:
    return [f"{row['name']}: {row['link']!r} -> {row['to']!r}" for row in rows if row["connections"]]


def test_list_is_long_and_an_unguarded_client_reaches_most_of_it(samples: Path, tmp_path: Path) -> None:
    rows = run("unguarded", samples, tmp_path)
    assert len(read_addresses().entries) >= 300
    assert len(connected(rows)) > len(rows) / 2


def test_direct_path_reaches_none(samples: Path, tmp_path: Path) -> None:
    rows = run("direct", samples, tmp_path)
    assert connected(rows) == []
    assert wrongly_answered(rows, may_be_page=True) == []


def test_extraction_path_reaches_none(samples: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    rows = run("extract", samples, tmp_path, whole=request.config.getoption("--long"))
    assert connected(rows) == []
    assert wrongly_answered(rows, may_be_page=False) == []


def test_describing_path_reaches_none(samples: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    rows = run("describe", samples, tmp_path, whole=request.config.getoption("--long"))
    assert connected(rows) == []
    assert wrongly_answered(rows, may_be_page=True) == []


def test_ffmpeg_path_reaches_none(samples: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    rows = run("ffmpeg", samples, tmp_path, whole=request.config.getoption("--long"))
    assert connected(rows) == []
    assert {row["outcome"] for row in rows if "://" in row["to"]} == {"vetoed"}


def test_without_its_fence_ffmpeg_would_get_out(samples: Path, tmp_path: Path) -> None:
    assert connected(run("ffmpeg-unfenced", samples, tmp_path, whole=False)) != []

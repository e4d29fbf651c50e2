"""Experiment 23: nothing on the address list is reached, by no path, on a machine where every address answers.

The list is tests/data/addresses.toml; `--long` takes all of it through each path, and notes it for the report.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.figures import Figures
from tests.security.addresses import read_addresses
from tests.servers import shared_samples

IN_NAMESPACE = ("unshare", "--user", "--map-root-user", "--net", "--mount")
SECONDS = 900
Row = dict[str, Any]
TryAll = Callable[[str], list[Row]]


def address_list(path: str) -> pytest.MarkDecorator:
    """Marks the test that takes the list through this path."""
    return pytest.mark.experiment(23, f"the address list, {path}", quick="some", long="all", unit="entries")


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


@pytest.fixture
def try_all(request: pytest.FixtureRequest, samples: Path, tmp_path: Path) -> TryAll:
    """Takes the list through a path: all of it with `--long`, or the first entry of each kind."""

    def attempt(path: str) -> list[Row]:
        began = time.monotonic()
        rows = run(path, samples, tmp_path, whole=path == "direct" or request.config.getoption("--long"))
        marker = request.node.get_closest_marker("experiment")
        connections = sum(row["connections"] for row in rows)
        figures = Figures().counts() | {"faults": 0, "slowest_rescue": None}
        noted = {
            "number": marker.args[0],
            "title": f"{marker.args[1]}: the canary saw {connections} connections",
            "size": f"{len(rows)} {marker.kwargs['unit']}",
            "seconds": time.monotonic() - began,
        }
        request.node.user_properties.append(("experiment", figures | noted))
        return rows

    return attempt


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


@address_list("direct path")
def test_direct_path_reaches_none(try_all: TryAll) -> None:
    rows = try_all("direct")
    assert connected(rows) == []
    assert wrongly_answered(rows, may_be_page=True) == []


@address_list("extraction path")
def test_extraction_path_reaches_none(try_all: TryAll) -> None:
    rows = try_all("extract")
    assert connected(rows) == []
    assert wrongly_answered(rows, may_be_page=False) == []


@address_list("describing path")
def test_describing_path_reaches_none(try_all: TryAll) -> None:
    rows = try_all("describe")
    assert connected(rows) == []
    assert wrongly_answered(rows, may_be_page=True) == []


@address_list("ffmpeg path")
def test_ffmpeg_path_reaches_none(try_all: TryAll) -> None:
    rows = try_all("ffmpeg")
    assert connected(rows) == []
    assert {row["outcome"] for row in rows if "://" in row["to"]} == {"vetoed"}


def test_without_its_fence_ffmpeg_would_get_out(samples: Path, tmp_path: Path) -> None:
    assert connected(run("ffmpeg-unfenced", samples, tmp_path, whole=False)) != []

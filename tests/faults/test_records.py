"""What the experiments and the soak write down, and what a watched scene's sightings contradict."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.faults.figures import Figures
from tests.faults.history import History
from tests.faults.report import RUNS_SHOWN, write_fault_run, write_soak
from tests.faults.sightings import Sightings

PAGE = "# Reliability\n\n<!-- faults -->\n<!-- /faults -->\n\n## Soak\n<!-- soak -->\n<!-- /soak -->\nThe end.\n"
ROW = {
    "number": 3,
    "title": "pool child killed",
    "size": "10 kills",
    **Figures(accepted=10, ready=10).counts(),
    "faults": 10,
    "slowest_rescue": 4.2,
    "seconds": 80.0,
    "passed": True,
}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    made = tmp_path / "reliability.md"
    made.write_text(PAGE)
    return made


def test_a_full_run_is_put_above_the_two_before_it(page: Path) -> None:
    for accepted in range(1, 5):
        write_fault_run([ROW | {"accepted": accepted}], 61, page)
    text = page.read_text()
    rows = [line.split(" | ") for line in text.splitlines() if "pool child killed" in line]
    assert [row[4] for row in rows] == ["4", "3", "2"]
    assert text.count("\n### ") == RUNS_SHOWN
    assert text.endswith("<!-- soak -->\n<!-- /soak -->\nThe end.\n")


def test_a_run_in_which_an_experiment_failed_says_so(page: Path) -> None:
    write_fault_run([ROW, ROW | {"number": 4, "passed": False, "slowest_rescue": None}], 61, page)
    assert ": failed, 1 min" in page.read_text()
    assert [line.rstrip(" |").endswith("failed") for line in page.read_text().splitlines() if line.startswith("| 4")]


def test_a_soak_replaces_the_one_before(page: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        with History(tmp_path / "history.jsonl") as history:
            history.fault("kill worker", pids=[1])
            history.rescue("a scene", 33.3)
            write_soak(history, Figures(accepted=5, ready=5), seed=seed, minutes=60, page=page)
    text = page.read_text()
    assert "| seed | 2 |" in text
    assert "| seed | 1 |" not in text
    assert "1: kill worker 1" in text
    assert "33.3 s (slowest)" in text
    assert text.startswith("# Reliability\n\n<!-- faults -->\n<!-- /faults -->\n")


SEEN: dict[str, Any] = {
    "_id": "a scene",
    "version": 7,
    "media": {"generation": 1, "attempt": 2, "status": "ready", "attempts": [{"n": 1}, {"n": 2}]},
}


def after(version: int = 8, **media: Any) -> dict[str, Any]:
    scene = deepcopy(SEEN)
    scene["version"] = version
    scene["media"] |= media
    return scene


@pytest.mark.parametrize(
    ("next_sighting", "contradictions"),
    [
        (after(7), 0),
        (after(8), 0),
        (after(8, generation=2, attempt=0, attempts=[], status="queued"), 0),
        (after(6), 1),
        (after(7, attempts=[{"n": 1}, {"n": 2}, {"n": 3}]), 2),
        (after(8, attempt=1), 2),
        (after(8, attempts=[{"n": 1}]), 2),
        (after(8, status="queued"), 1),
    ],
)
def test_sightings_that_cannot_follow_each_other_are_told(next_sighting: dict[str, Any], contradictions: int) -> None:
    seen = Sightings()
    for sighting in (SEEN, next_sighting):
        seen.note(sighting)
    assert len(seen.contradictions) == contradictions

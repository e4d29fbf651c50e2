"""Workers that are asked to end, as a deploy does."""

from itertools import cycle

import pytest

from tests.faults.conftest import Begin
from tests.fleet import Fleet
from tests.service import Service

GRACE = 3
"""`TAKEUP_SHUTDOWN_SECONDS` here, and some seconds more for a process to end on a busy machine."""
PATIENCE = 6
SHORT = 1_600_000
LONG = 180_000
"""Bytes a second: clip.mp4 takes one second, or three times the grace."""


@pytest.mark.experiment(13, "SIGTERM, rolling over two workers", quick=2, long=10, unit="restarts")
def test_rolling_restarts_lose_nothing_and_count_no_crash(fleet: Fleet, begin: Begin) -> None:
    """Experiment 13."""
    run = begin(fleet)
    settings = {"TAKEUP_SHUTDOWN_SECONDS": str(GRACE)}
    workers = fleet.online_workers(settings, settings)
    exits = []
    for place, _ in zip(cycle((0, 1)), range(run.rounds), strict=False):
        scenes = [run.store(rate=LONG), run.store(rate=SHORT), run.store("photo.jpg")]
        fleet.wait_bytes(scenes[0])
        run.struck()
        exits.append(workers[place].terminate(60))
        workers[place] = fleet.online_worker(**settings)
    run.assert_holds()
    assert {code for code, _ in exits} == {0}
    assert max(seconds for _, seconds in exits) < GRACE + PATIENCE, exits
    assert "crashed" not in outcomes(fleet, list(run.accepted))


def outcomes(service: Service, scene_ids: list[str]) -> set[str]:
    """How the attempts of these scenes ended."""
    scenes = service.database["scenes"].find({"_id": {"$in": scene_ids}})
    return {attempt["outcome"] for scene in scenes for attempt in scene["media"]["attempts"]}

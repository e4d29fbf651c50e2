"""A worker that is killed at a random moment of a store: between the claim and ready, whatever it does there."""

import os
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from signal import SIGKILL

import pytest

from app.core.database import Document
from app.demo.origin import Origin
from app.services.storage.multipart import PART_BYTES
from app.services.transfer import part_count
from tests.faults.conftest import Begin
from tests.faults.experiment import Experiment
from tests.faults.sources import film
from tests.servers import wait_for
from tests.stack import RunningStack, running_stack

FILM = "random-kills.mp4"
QUICK_BYTES = 40 << 20
LONG_BYTES = 1 << 30
IN_MEMORY = 4
"""Parts that a download holds at most, one for each connection, fetched or being fetched, and not stored yet."""
PACES: tuple[dict[str, int], ...] = ({}, {"rate": 40_000_000})
"""The bucket is the slower one, or the source is (so many bytes a second over each connection)."""

Moment = Callable[[RunningStack, Origin, Document, int], object]


@pytest.fixture
def roomy_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningStack]:
    """A service that takes 1 GiB; for the small form that of the other experiments."""
    if not request.config.getoption("--long"):
        yield request.getfixturevalue("stack")
        return
    with running_stack(tmp_path / "data", TAKEUP_MAX_BYTES=str(LONG_BYTES)) as running:
        yield running


def claimed(stack: RunningStack, _origin: Origin, scene: Document, _sent: int) -> bool:
    return stack.media(scene)["status"] not in {"queued", "retrying"}


def fetched(_stack: RunningStack, origin: Origin, _scene: Document, sent: int) -> bool:
    return origin.bytes_sent.get(FILM, 0) >= sent


def completing(stack: RunningStack, _origin: Origin, scene: Document, _sent: int) -> bool:
    return stack.media(scene)["status"] in {"uploading", "processing", "ready"}


def hashed(stack: RunningStack, _origin: Origin, scene: Document, _sent: int) -> bool:
    """The object stands, of parts that nobody alive has seen all of."""
    return completing(stack, _origin, scene, _sent) and bool(stack.stored(scene))


def probed(stack: RunningStack, _origin: Origin, scene: Document, _sent: int) -> bool:
    return stack.media(scene)["status"] in {"processing", "ready"}


SCENES: tuple[tuple[tuple[Moment, float], ...], ...] = (
    ((fetched, 0.0),),
    ((fetched, 0.0), (hashed, 1.0)),
    ((claimed, 0.1),),
    ((completing, 0.1),),
    ((fetched, 0.0),),
    ((probed, 0.1),),
)
"""When the worker is killed in each scene, and how many seconds later at most."""


@pytest.mark.experiment(2, "worker killed at a random moment of a large file", quick=1, long=20, unit="kills")
def test_worker_killed_at_any_moment_resumes_from_stored_parts(
    roomy_stack: RunningStack, origin: Origin, begin: Begin, request: pytest.FixtureRequest
) -> None:
    """Experiment 2, over the whole of a store."""
    size = LONG_BYTES if request.config.getoption("--long") else QUICK_BYTES
    (origin.folder / FILM).write_bytes(film(origin.folder, size, FILM))
    run = begin(roomy_stack)
    kills = 0
    for number, moments in enumerate(cycle(SCENES)):
        kills += kill_at(roomy_stack, run, moments[: run.rounds - kills], size, number)
        run.settle()
        if kills >= run.rounds:
            break
    run.assert_holds()


def kill_at(
    stack: RunningStack, run: Experiment, moments: tuple[tuple[Moment, float], ...], size: int, number: int
) -> int:
    """Store the film, and kill its worker at each of these moments; how often that struck before it was ready.

    A scene loses parts once at most: the second moment comes when none is left to fetch.
    """
    origin = run.origin
    before, asked = origin.bytes_sent.get(FILM, 0), origin.requests.get(FILM, 0)
    scene = run.store(FILM, copy=number, **random.choice(PACES))
    sent = before + random.randrange(size)
    for attempt, (moment, latest) in enumerate(moments, start=1):
        wait_for(partial(_attempts, stack, scene, attempt), 60, f"attempt {attempt}")
        wait_for(partial(moment, stack, origin, scene, sent), 120, moment.__name__)
        time.sleep(random.uniform(0, latest))  # the moment is to be a random one
        os.killpg(stack.pid("worker"), SIGKILL)
        run.struck([scene])
    media = stack.wait_ended(scene, 240)
    *crashed, last = [attempt["outcome"] for attempt in media["attempts"]]
    assert (last, {*crashed} - {"crashed"}) == ("ready", set())
    again = origin.bytes_sent[FILM] - before - size  # what no worker read any more included: the origin sent it
    assert again <= IN_MEMORY * PART_BYTES, f"{again} bytes were fetched again"
    parts = origin.requests[FILM] - asked - part_count(size, PART_BYTES)
    assert parts <= IN_MEMORY, f"{parts} parts were asked for again"
    return len(crashed)


def _attempts(stack: RunningStack, scene: Document, number: int) -> bool:
    return bool(stack.media(scene)["attempt"] >= number)

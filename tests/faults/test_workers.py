"""Workers that are killed, frozen or asked to end."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psutil
import pytest
from redis import Redis

from app.core.database import Document
from app.demo.origin import Origin
from tests.faults.conftest import Begin
from tests.faults.experiment import Experiment
from tests.faults.sources import LARGE
from tests.fleet import Fleet
from tests.servers import is_alive, wait_for
from tests.service import Service
from tests.stack import RunningStack

SLOW = 700_000
"""Bytes a second: about 2.3 s for clip.mp4, which is less than a lease."""
LARGE_SLOW = 5_000_000
BATCH = 5


def lose_its_message(fleet: Fleet, run: Experiment) -> None:
    """Store a scene whose message goes to a worker that is frozen, and then killed."""
    worker = fleet.online_worker()
    worker.freeze()
    scene = run.store("photo.jpg")
    fleet.ring(scene)
    with Redis.from_url(fleet.settings.redis_url) as client:
        # The frozen worker still waits for one message, and gets it; that the other is there shows that it has.
        wait_for(lambda: client.llen("takeup:media"), 10, "a message more than the frozen worker takes")
        client.delete("takeup:media")
    worker.kill()
    run.struck([scene])


def take_rounds(fleet: Fleet, run: Experiment) -> None:
    for number in range(1, run.rounds + 1):
        lose_its_message(fleet, run)
        if number % BATCH == 0 or number == run.rounds:
            worker = fleet.online_worker()
            run.wait_ended(seconds=120)
            worker.kill()
    run.assert_holds()
    run.assert_ready_within(90)


@pytest.mark.experiment(1, "worker frozen while idle, scene stored, worker killed", quick=2, long=40, unit="rounds")
def test_a_message_that_dies_with_an_idle_worker_only_delays(fleet: Fleet, begin: Begin) -> None:
    """Experiment 1, with the short times."""
    take_rounds(fleet, begin(fleet))


@pytest.mark.experiment(1, "worker frozen while idle, with production's times", quick=0, long=10, unit="rounds")
def test_with_productions_times_a_message_that_dies_only_delays(production_fleet: Fleet, begin: Begin) -> None:
    """Experiment 1, with the times that production has."""
    take_rounds(production_fleet, begin(production_fleet))


@pytest.mark.experiment(3, "pool child killed", quick=1, long=10, unit="kills")
def test_a_killed_pool_child_costs_one_attempt(stack: RunningStack, begin: Begin) -> None:
    """Experiment 3."""
    run = begin(stack)
    worker = stack.pid("worker")
    for number in range(run.rounds):
        scene = run.store(LARGE, rate=LARGE_SLOW) if number % 2 else run.store(rate=SLOW)
        stack.wait_bytes(scene)
        holder(stack, scene).kill()
        run.struck([scene])
        media = stack.wait_ended(scene)
        assert [attempt["outcome"] for attempt in media["attempts"]] == ["crashed", "ready"]
    assert stack.pid("worker") == worker
    run.assert_holds()


@pytest.mark.experiment(4, "an input that always kills the child", quick=2, long=5, unit="attempts")
def test_an_input_that_always_kills_its_worker_fails_after_the_cap(stack: RunningStack, begin: Begin) -> None:
    """Experiment 4."""
    run = begin(stack)
    scene = run.store(rate=100_000)
    stack.database["scenes"].update_one({"_id": scene["id"]}, {"$set": {"media.max_attempts": run.rounds}})
    for attempt in range(1, run.rounds + 1):
        wait_for(partial(_downloads, stack, scene, attempt), 30, f"attempt {attempt} downloads")
        holder(stack, scene).kill()
        run.struck([scene])
    media = stack.wait_ended(scene)
    assert (media["status"], media["error"]["code"]) == ("failed", "worker.crashed")
    figures = run.assert_holds()
    assert figures.failed == {"worker.crashed": 1}


def _downloads(service: Service, scene: Document, attempt: int) -> bool:
    media = service.media(scene)
    return bool(media["attempt"] == attempt and media["status"] == "downloading")


@pytest.mark.experiment(5, "worker stopped past its lease, then continued", quick=2, long=8, unit="rounds")
def test_a_worker_stopped_past_its_lease_cannot_harm_what_came_after(
    stack: RunningStack, origin: Origin, begin: Begin
) -> None:
    """Experiment 5, with files that are stored whole and in parts."""
    run = begin(stack)
    for number in range(run.rounds):
        scene = run.store(LARGE, rate=LARGE_SLOW) if number % 2 else run.store(rate=SLOW)
        stack.wait_bytes(scene)
        stopped = holder(stack, scene)
        with _stopped(stopped):
            run.struck([scene])
            # Every other pair of rounds it goes on while the next attempt runs, else after that has ended.
            if number % 4 < 2:
                wait_for(partial(_downloads, stack, scene, 2), 30, "the next attempt downloads")
            else:
                stack.wait(scene, "ready")
        media = stack.wait(scene, "ready")
        assert [attempt["outcome"] for attempt in media["attempts"]] == ["crashed", "ready"]
        wait_for(partial(_idle, stopped, origin), 20, "the stale worker gave up")
        after = stack.media(scene)
        assert (after["attempts"], after["original"]) == (media["attempts"], media["original"])
    run.assert_holds()


@contextmanager
def _stopped(process: psutil.Process) -> Iterator[None]:
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def holder(service: Service, scene: Document) -> psutil.Process:
    """The process that works on the scene."""
    lease = (service.document(scene) or {})["media"]["lease"]
    return psutil.Process(int(lease["worker"].rpartition("/")[2]))


def _idle(child: psutil.Process, origin: Origin) -> bool:
    """It reads from no origin any more."""
    if not is_alive(child):
        return True
    return not [c for c in child.net_connections("tcp") if c.status == "ESTABLISHED" and c.raddr.port == origin.port]

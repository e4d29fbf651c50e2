"""A database that is killed under load, or that one worker does not reach any more."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import httpx2
import pytest

from app.core.database import Document
from app.demo.origin import Origin
from tests.faults.conftest import Begin
from tests.faults.experiment import Experiment
from tests.faults.proxy import Proxy
from tests.faults.sightings import watched
from tests.faults.sources import LARGE
from tests.fleet import Fleet
from tests.servers import wait_for
from tests.stack import RunningStack

LARGE_SLOW = 4_000_000
CLIP_SLOW = 250_000
"""Bytes a second: clip.mp4 takes twice a lease."""


def answers(stack: RunningStack) -> bool:
    try:
        return httpx2.get(f"{stack.url}/health/ready", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.mark.experiment(11, "the database killed and restarted under load", quick=2, long=6, unit="kills")
def test_a_restarted_database_loses_and_doubles_no_transition(stack: RunningStack, begin: Begin) -> None:
    """Experiment 11."""
    run = begin(stack)
    with watched(stack.database) as seen:
        for number in range(run.rounds):
            running = run.store(LARGE, rate=LARGE_SLOW) if number % 2 else run.store(rate=CLIP_SLOW)
            for _ in range(6):
                run.store("photo.jpg")
            stack.wait_bytes(running)
            stack.kill("mongodb")
            run.struck()
            wait_for(partial(answers, stack), 60, "the database is back")
            run.wait_ended(120)
    run.assert_holds()
    assert seen.contradictions == []
    assert seen.count > len(run.accepted)


@dataclass(frozen=True)
class Reading:
    """What the origin has sent, and when that last grew (seconds of the epoch)."""

    at: float
    requests: int
    bytes: int


def last_byte_of(origin: Origin, name: str, requests: int, until: Callable[[], bool]) -> float:
    """When the origin last sent a byte to the one who made the request of this number."""
    last = Reading(time.time(), requests, -1)

    def look() -> bool:
        nonlocal last
        sent = origin.bytes_sent[name]
        if origin.requests[name] == requests and sent != last.bytes:
            last = Reading(time.time(), requests, sent)
        return until()

    wait_for(look, 60, "another worker has the scene")
    return last.at


def _taken_up(fleet: Fleet, scene: Document) -> bool:
    return bool((fleet.document(scene) or {})["media"]["attempt"] == 2)


@pytest.fixture
def proxy(fleet: Fleet) -> Iterator[Proxy]:
    port = urlsplit(fleet.settings.mongodb_uri).port
    assert port is not None
    with Proxy(port) as made:
        yield made


@pytest.mark.experiment(12, "the database unreachable for one worker", quick=1, long=4, unit="rounds")
@pytest.mark.parametrize("fault", [Proxy.freeze, Proxy.cut], ids=["silent", "refused"])
def test_a_worker_without_the_database_stops_before_its_lease_ends(
    fleet: Fleet, origin: Origin, proxy: Proxy, begin: Begin, fault: Callable[[Proxy], None]
) -> None:
    """Experiment 12."""
    run = begin(fleet)
    for _ in range(run.rounds):
        _one_worker_loses_the_database(fleet, run, proxy, fault)
    run.assert_holds()


def _one_worker_loses_the_database(fleet: Fleet, run: Experiment, proxy: Proxy, fault: Callable[[Proxy], None]) -> None:
    alone = fleet.online_worker(MONGODB_URI=f"mongodb://127.0.0.1:{proxy.port}/")
    requests = run.origin.requests.get("clip.mp4", 0) + 1
    scene = run.store(rate=CLIP_SLOW)
    fleet.wait_bytes(scene)
    fault(proxy)
    run.struck([scene])
    lease = (fleet.document(scene) or {})["media"]["lease"]
    other = fleet.start_worker()
    last_byte = last_byte_of(run.origin, "clip.mp4", requests, partial(_taken_up, fleet, scene))
    media = fleet.wait_ended(scene, seconds=60)
    assert last_byte * 1000 < lease["expires_ms"], "it went on after its lease had ended"
    assert [attempt["outcome"] for attempt in media["attempts"]] == ["crashed", "ready"]
    proxy.mend()
    version = (fleet.document(scene) or {})["version"]
    again = run.store("photo.jpg")
    fleet.wait_ended(again)
    assert (fleet.document(scene) or {})["version"] == version
    alone.kill()
    other.kill()

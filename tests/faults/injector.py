"""One fault after another, at random, into a stack that works again before the next one."""

import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event

import httpx2
import psutil
from redis import Redis
from redis.exceptions import RedisError

from app.core.celery_app import online_workers
from app.core.database import DatabaseError
from app.core.media_errors import MediaError
from app.models.media import ACTIVE
from tests.faults.history import History
from tests.faults.rescue import next_sign
from tests.stack import RunningStack

_NAMES = ("worker", "pool child", "beat", "api", "redis", "mongodb", "s3")
_POLL_SECONDS = 0.5
_WORKS_AGAIN_SECONDS = 180.0
_RESCUED_SECONDS = 240.0
_CALM_SECONDS = (4.0, 14.0)
_END_SECONDS = 35.0
SHORT_FREEZE = (1.0, 10.0)
LONG_FREEZE = (10.0, 60.0)


@dataclass(frozen=True)
class Fault:
    """What is done to whom."""

    kind: str
    victim: str
    weight: int

    @property
    def name(self) -> str:
        return f"{self.kind} {self.victim}"


FAULTS: Sequence[Fault] = (
    *(Fault("kill", name, 3 if name in {"worker", "pool child"} else 2) for name in _NAMES),
    *(Fault("freeze", name, 2 if name in {"worker", "pool child"} else 1) for name in _NAMES),
    Fault("flush", "redis", 1),
    Fault("terminate", "worker", 3),
)


class Injector:
    """Hurts one stack until `stop` is set."""

    def __init__(self, stack: RunningStack, history: History, choice: random.Random, stop: Event) -> None:
        self._stack = stack
        self._history = history
        self._choice = choice
        self._stopping = stop
        self._bag: list[Fault] = []

    def run(self) -> None:
        """Draw from a bag that holds every fault, so that also a short soak has one of each kind of victim."""
        while not self._stopping.wait(self._choice.uniform(*_CALM_SECONDS)):
            if not self._bag:
                self._bag = [fault for fault in FAULTS for _ in range(fault.weight)]
                self._choice.shuffle(self._bag)
            fault = self._bag.pop()
            try:
                self.inject(fault)
            except Exception as error:  # noqa: BLE001 - whatever it is, the soak goes on and has to tell of it
                self._history.broke(f"{fault.name}: {error!r}")

    def inject(self, fault: Fault) -> None:
        """Strike once; return when the stack works again and every scene that lost its worker is taken up."""
        strike: Callable[[Fault], list[psutil.Process]] = getattr(self, f"_{fault.kind}")
        struck_at = datetime.now(UTC)
        lost = strike(fault)
        if fault.kind == "freeze":
            struck_at = datetime.now(UTC)
        self._wait_until_rescued(self._held_by(lost), struck_at)
        self._wait_until_it_works(fault)

    def _targets(self, victim: str) -> list[psutil.Process]:
        """The processes that are hit: with a worker its pool, as when its machine fails."""
        if victim == "pool child":
            children = self._stack.pool_children()
            holding = self._holders().values()
            busy = [child for child in children if child.pid in holding]
            return [self._choice.choice(busy or children)]
        process = psutil.Process(self._stack.pid(victim))
        return [process, *(process.children() if victim == "worker" else ())]

    def _kill(self, fault: Fault) -> list[psutil.Process]:
        targets = self._targets(fault.victim)
        self._history.fault(fault.name, pids=[process.pid for process in targets])
        for process in targets:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(targets, timeout=5)
        return targets if fault.victim in {"worker", "pool child"} else []

    def _terminate(self, fault: Fault) -> list[psutil.Process]:
        process, *children = self._targets(fault.victim)
        self._history.fault(fault.name, pids=[process.pid])
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs([process], timeout=_END_SECONDS)
        if alive:
            self._history.broke(f"the worker did not end within {_END_SECONDS:g} s of SIGTERM")
        self._history.write("ended", seconds=round(time.monotonic() - began, 1))
        return children

    def _freeze(self, fault: Fault) -> list[psutil.Process]:
        seconds = self._choice.uniform(*self._choice.choice((SHORT_FREEZE, LONG_FREEZE)))
        targets = self._targets(fault.victim)
        self._history.fault(fault.name, seconds=round(seconds, 1), pids=[process.pid for process in targets])
        with _stopped(targets):
            self._stopping.wait(seconds)
        return []

    def _flush(self, fault: Fault) -> list[psutil.Process]:
        self._history.fault(fault.name)
        with Redis.from_url(self._stack.settings.redis_url) as client:
            client.flushall()
        return []

    def _holders(self) -> dict[tuple[str, int], int]:
        """The process that holds each scene and generation, as far as the database answers."""
        try:
            scenes = list(self._stack.database["scenes"].find({"media.status": {"$in": sorted(ACTIVE)}}))
        except DatabaseError:
            return {}
        return {
            (scene["_id"], scene["media"]["generation"]): int(lease["worker"].rpartition("/")[2])
            for scene in scenes
            if (lease := scene["media"]["lease"]) and not scene["deletion"]
        }

    def _held_by(self, processes: list[psutil.Process]) -> dict[str, int]:
        """The scenes that these processes hold, with their generations."""
        pids = {process.pid for process in processes}
        return dict(held for held, pid in self._holders().items() if pid in pids)

    def _wait_until_rescued(self, waiting: dict[str, int], since: datetime) -> None:
        self._history.write("lost their worker", scenes=list(waiting))
        deadline = time.monotonic() + _RESCUED_SECONDS
        while waiting:
            for scene_id, generation in list(waiting.items()):
                if self._is_taken_up(scene_id, generation, since):
                    del waiting[scene_id]
            if time.monotonic() > deadline:
                self._history.broke(f"not rescued within {_RESCUED_SECONDS:g} s: {sorted(waiting)}")
                self._history.rescues.append(_RESCUED_SECONDS)
                return
            time.sleep(_POLL_SECONDS)

    def _is_taken_up(self, scene_id: str, generation: int, since: datetime) -> bool:
        """Claimed, ended, or withdrawn by a person, who is then served by other rules."""
        try:
            scene = self._stack.database["scenes"].find_one({"_id": scene_id})
        except DatabaseError:
            return False
        if scene is None or scene["deletion"] or not scene["media"] or scene["media"]["generation"] != generation:
            return True
        if scene["media"]["status"] == "canceled":
            return True
        sign = next_sign(scene["media"], since)
        if sign is not None:
            self._history.rescue(scene_id, round((sign - since).total_seconds(), 1))
        return sign is not None

    def _wait_until_it_works(self, fault: Fault) -> None:
        began = time.monotonic()
        while not self.works():
            if time.monotonic() - began > _WORKS_AGAIN_SECONDS:
                self._history.broke(f"not working {_WORKS_AGAIN_SECONDS:g} s after: {fault.name}")
                return
            time.sleep(_POLL_SECONDS)
        self._history.write("works", after=round(time.monotonic() - began, 1))

    def works(self) -> bool:
        """The API, the database, the bucket and both workers answer."""
        try:
            answer = httpx2.get(f"{self._stack.url}/health/ready", timeout=3)
            self._stack.bucket.check()
            names = {name.partition("@")[0] for name in online_workers(self._stack.celery, 1.0) or ()}
        except (httpx2.HTTPError, MediaError, RedisError):
            return False
        return answer.status_code == 200 and {"media", "maintenance"} <= names


@contextmanager
def _stopped(processes: list[psutil.Process]) -> Iterator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()

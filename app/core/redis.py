"""The door to Redis beside Celery's: word that something of a project has changed, from whoever wrote to whoever shows.

It is a bell. A message names scenes and nothing else, is published only after the write, and may be lost.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from logging import getLogger
from queue import Full, Queue
from threading import Thread
from typing import Any

import redis.asyncio
from redis import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app.core.config import get_settings

_CHANNEL = "takeup:changed:"
_ANSWER_SECONDS = 0.5
_PAUSE_SECONDS = 1.0
_PING_SECONDS = 0.5
_DEAF_SECONDS = 1.5
_WAITING_AT_MOST = 10_000
_BATCH = 500
_STOP_SECONDS = 1.0

log = getLogger(__name__)

Changed = Callable[..., None]
"""Called with a project's id and those of its scenes that have changed; with the project's alone, it is all of it."""


def unannounced(project_id: str, *scene_ids: str) -> None:
    """A `Changed` that tells nobody."""


class Announcer:
    """Publishes changes from a thread of its own: no write waits for Redis, or fails with it."""

    def __init__(self, redis_url: str) -> None:
        # Tried twice: the first write to a connection that a restarted Redis has closed fails.
        retry = Retry(NoBackoff(), 1)
        self._redis = Redis.from_url(
            redis_url, socket_connect_timeout=_ANSWER_SECONDS, socket_timeout=_ANSWER_SECONDS, retry=retry
        )
        self._waiting: Queue[tuple[str, tuple[str, ...]] | None] = Queue(_WAITING_AT_MOST)
        self._thread = Thread(target=self._publish, name="announcer", daemon=True)
        self._thread.start()

    def changed(self, project_id: str, *scene_ids: str) -> None:
        """Say that these scenes of the project have changed, or with none that all of it may have."""
        with suppress(Full):
            self._waiting.put_nowait((project_id, scene_ids))

    def close(self) -> None:
        """Publish what waits, for a second at most."""
        with suppress(Full):
            self._waiting.put_nowait(None)
        self._thread.join(_STOP_SECONDS)

    def _publish(self) -> None:
        while (change := self._waiting.get()) is not None:
            batch, more = self._gather(change)
            try:
                with self._redis.pipeline(transaction=False) as pipeline:
                    for project_id, scene_ids in batch.items():
                        pipeline.publish(_CHANNEL + project_id, " ".join(scene_ids))
                    pipeline.execute()
            except (RedisError, OSError) as error:
                log.debug("changes are not announced: %s", error)
                time.sleep(_PAUSE_SECONDS)
            if not more:
                break
        self._redis.close()

    def _gather(self, change: tuple[str, tuple[str, ...]]) -> tuple[dict[str, dict[str, None]], bool]:
        """All that waits by now, each scene once (none: the whole project); and whether more may come."""
        batch: dict[str, dict[str, None]] = {}
        for left in reversed(range(_BATCH)):
            project_id, scene_ids = change
            whole = not scene_ids or batch.get(project_id) == {}
            batch[project_id] = {} if whole else batch.get(project_id, {}) | dict.fromkeys(scene_ids)
            if not left or self._waiting.empty():
                break
            following = self._waiting.get_nowait()
            if following is None:
                return batch, False
            change = following
        return batch, True


@cache
def worker_announcer() -> Announcer:
    """The worker process's own, made at its first use and so after the fork."""
    return Announcer(get_settings().redis_url)


class ChangeListener:
    """Hears, over one connection, of changes in the projects that it follows; `hearing` is false while it cannot.

    When it begins (again) to hear of a project, `changed` is called for all of it: something may have been missed.
    """

    def __init__(self, redis_url: str, changed: Changed) -> None:
        self.hearing = False
        self._redis_url = redis_url
        self._changed = changed
        self._followed: set[str] = set()
        self._pubsub: Any = None

    async def follow(self, project_id: str) -> None:
        """From now on, or as soon as Redis answers."""
        self._followed.add(project_id)
        await self._ask("subscribe", project_id)

    async def unfollow(self, project_id: str) -> None:
        self._followed.discard(project_id)
        await self._ask("unsubscribe", project_id)

    async def _ask(self, what: str, project_id: str) -> None:
        if self._pubsub is not None:
            with suppress(RedisError, OSError, TimeoutError):  # which the reader of that connection finds as well
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await getattr(self._pubsub, what)(_CHANNEL + project_id)

    async def run(self) -> None:
        """Listen until canceled, and connect again a second after each failure."""
        while True:
            try:
                await self._listen()
            except (RedisError, OSError, TimeoutError) as error:
                if self.hearing:
                    log.warning("changes are looked for every second: Redis does not answer (%s)", error)
            finally:
                self.hearing = False
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _listen(self) -> None:
        client = redis.asyncio.Redis.from_url(
            self._redis_url,
            socket_connect_timeout=_ANSWER_SECONDS,
            socket_timeout=None,
            retry=AsyncRetry(NoBackoff(), 0),
            decode_responses=True,
        )
        async with client, client.pubsub() as pubsub:
            try:
                await self._hear_from(pubsub)
            finally:
                self._pubsub = None  # before it is closed: asked anything after that, it would connect again

    async def _hear_from(self, pubsub: Any) -> None:
        async with asyncio.timeout(2 * _ANSWER_SECONDS):
            await pubsub.subscribe(_CHANNEL)
            self._pubsub = pubsub
            for project_id in tuple(self._followed):
                await pubsub.subscribe(_CHANNEL + project_id)
        heard = asked = time.monotonic()
        while True:
            message = await pubsub.get_message(timeout=_PING_SECONDS)
            now = time.monotonic()
            if message is not None:
                heard = now
                self._hear(message)
            elif asked > heard and now - asked > _DEAF_SECONDS:
                raise TimeoutError("it has fallen silent")
            if heard >= asked and now - asked > _PING_SECONDS:
                asked = now
                await pubsub.ping()

    def _hear(self, message: dict[str, Any]) -> None:
        self.hearing = True
        project_id = str(message["channel"] or "").removeprefix(_CHANNEL)
        if project_id and message["type"] in {"subscribe", "message"}:
            scene_ids: Sequence[str] = message["data"].split() if message["type"] == "message" else ()
            self._changed(project_id, *scene_ids)

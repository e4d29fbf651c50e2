"""One project that somebody watches: who does, what they have seen, and what must be read again for them."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from logging import getLogger

from app.core.database import Async, DatabaseError, Document
from app.core.errors import ProjectNotFoundError
from app.crud import crud_project, crud_scene
from app.crud.crud_session import Caller
from app.services.live import events
from app.services.live.subscriber import Subscriber, Write

_SCENE_SECONDS = 0.25
"""A scene is told at most four times a second."""
_COMMENT_SECONDS = 15.0
_DATABASE_PAUSE_SECONDS = 1.0
_TURN = 100
"""Clients told in one go, before others get the processor and the system the bytes."""

log = getLogger(__name__)


@dataclass(frozen=True)
class _Read:
    """What one round has read: the project if it was looked at, all scenes if a snapshot is wanted, those due."""

    project: Document | None
    scenes: list[Document] | None
    due: list[Document]
    gone: set[str]


class Room:
    """Reads the project and tells its subscribers, in rounds of which one follows the other.

    Because a round reads after it has looked who wants what, a subscriber misses nothing between its snapshot and the
    first change; and because a scene is told only under a higher version, it never goes back.
    """

    def __init__(self, database: Async, project_id: str, workspace: str, reading: asyncio.Semaphore) -> None:
        self.project_id = project_id
        self.workspace = workspace
        self._database = database
        self._reading = reading
        self._members: set[Subscriber] = set()
        self._behind: set[Subscriber] = set()
        self._versions: dict[str, int] = {}
        self._told_at: dict[str, float] = {}
        self._project_version = 0
        self._dirty: set[str] = set()
        self._must_look = False
        self._woken = asyncio.Event()
        self._looked_at = self._spoke_at = time.monotonic()
        self.ended = False

    @property
    def callers(self) -> set[Caller]:
        """Who watches."""
        return {subscriber.caller for subscriber in self._members}

    def join(self, caller: Caller, write: Write) -> Subscriber:
        """A new subscriber, which gets a snapshot and then every change."""
        subscriber = Subscriber(caller, write, self._wait_for_snapshot)
        self._members.add(subscriber)
        self._wait_for_snapshot(subscriber)
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        self._members.discard(subscriber)
        self._behind.discard(subscriber)
        subscriber.drop()
        if not self._members:
            self.ended = True
            self._woken.set()

    def _wait_for_snapshot(self, subscriber: Subscriber) -> None:
        if subscriber in self._members:
            self._behind.add(subscriber)
            self._woken.set()

    def changed(self, scene_ids: Sequence[str]) -> None:
        """Read these scenes again soon; with none named, look for whatever has changed."""
        self._dirty.update(scene_ids)
        self._must_look = self._must_look or not scene_ids
        self._woken.set()

    def tick(self, look_seconds: float) -> None:
        """Look again if the last time was so many seconds ago; comment where nothing has been said for long."""
        now = time.monotonic()
        if now - self._looked_at >= look_seconds:
            self.changed(())
        if now - self._spoke_at >= _COMMENT_SECONDS:
            self._spoke_at = now
            for subscriber in tuple(self._members):
                self._offer(subscriber, events.COMMENT)

    def end(self, farewell: bytes = b"") -> None:
        """Close every stream; one whose client does not read is left to the server's own patience."""
        self.ended = True
        self.end_for(self.callers, farewell)

    def end_for(self, callers: set[Caller], farewell: bytes = b"") -> None:
        """Close the streams of these callers."""
        for subscriber in tuple(self._members):
            if subscriber.caller in callers:
                subscriber.offer(farewell, last=True)
                self.leave(subscriber)

    async def run(self) -> None:
        """Round after round, until the project is deleted."""
        while not self.ended:
            self._woken.clear()
            wait = self._wait()
            if wait is None or wait > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._woken.wait()
                continue
            try:
                await self._round()
            except ProjectNotFoundError:
                self.end(events.project_deleted(self.project_id))
            except DatabaseError as error:
                log.warning("project %s: what has changed cannot be read (%s)", self.project_id, error)
                self._must_look = True
                await asyncio.sleep(_DATABASE_PAUSE_SECONDS)

    def _wait(self) -> float | None:
        """Seconds until the next round; None where nothing is to be done."""
        if self._behind or self._must_look:
            return 0
        if not self._dirty:
            return None
        return min(self._told_at.get(name, 0) for name in self._dirty) + _SCENE_SECONDS - time.monotonic()

    async def _round(self) -> None:
        waiting = frozenset(self._behind)
        async with self._reading:
            read = await self._read(whole=bool(waiting))
        if news := self._news(read):
            self._spoke_at = time.monotonic()
            await self._give(self._members, b"".join(news))
        if read.project is not None and read.scenes is not None:
            await self._welcome(waiting, events.snapshot(read.project, read.scenes))

    async def _read(self, *, whole: bool) -> _Read:
        """The scenes that are due; where somebody must look, or waits for the whole, what else has changed."""
        look, self._must_look = self._must_look or whole, False
        # What is marked from here on may be newer than what is read.
        marked, self._dirty = self._dirty, set()
        project, scenes = None, None
        if look:
            self._looked_at = time.monotonic()
            project = await crud_project.get_project(self._database, self.workspace, self.project_id)
            if whole:
                scenes = await crud_scene.list_scenes(self._database, self.project_id)
                there = {scene["_id"]: scene["version"] for scene in scenes}
            else:
                there = await crud_scene.list_versions(self._database, self.project_id)
            marked |= {name for name, version in there.items() if version > self._versions.get(name, 0)}
            marked |= self._versions.keys() - there.keys()
        due = self._due_of(marked)
        self._dirty |= marked - due
        if scenes is None:
            found = await crud_scene.find_scenes(self._database, sorted(due))
        else:
            found = [scene for scene in scenes if scene["_id"] in due]
        return _Read(project, scenes, found, due - {scene["_id"] for scene in found})

    def _due_of(self, names: set[str]) -> set[str]:
        """Those that were not told a moment ago."""
        told_before = time.monotonic() - _SCENE_SECONDS
        return {name for name in names if self._told_at.get(name, 0) <= told_before}

    def _news(self, read: _Read) -> list[bytes]:
        """An event for each change, if there is anybody to hear of it."""
        heard, now = any(subscriber.in_step for subscriber in self._members), time.monotonic()
        news = []
        if read.project is not None:
            if heard and read.project["version"] > self._project_version:
                news.append(events.project_changed(read.project))
            self._project_version = read.project["version"]
        for scene in read.due:
            name, version = scene["_id"], scene["version"]
            if version > self._versions.get(name, 0):
                self._versions[name] = version
                if heard:
                    self._told_at[name] = now
                    news.append(events.scene_changed(scene))
        for name in read.gone:
            self._told_at.pop(name, None)
            if self._versions.pop(name, None) is not None and heard:
                news.append(events.scene_deleted(name))
        return news

    async def _welcome(self, waiting: frozenset[Subscriber], snapshot: bytes) -> None:
        present = [subscriber for subscriber in waiting if subscriber in self._members]
        self._behind = self._behind - waiting
        for subscriber in present:
            subscriber.in_step = True
        await self._give(present, snapshot)

    async def _give(self, subscribers: Iterable[Subscriber], chunk: bytes) -> None:
        for number, subscriber in enumerate(tuple(subscribers), 1):
            self._offer(subscriber, chunk)
            if number % _TURN == 0:
                await asyncio.sleep(0)

    def _offer(self, subscriber: Subscriber, chunk: bytes) -> None:
        if subscriber.in_step:
            subscriber.in_step = subscriber.offer(chunk)

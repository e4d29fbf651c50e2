"""The event streams of one API process: a room for each project that is watched, and one ear for all of them."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from logging import getLogger
from typing import Any

from app.core.database import Async, DatabaseError
from app.core.redis import ChangeListener
from app.crud import crud_session
from app.crud.crud_session import Caller
from app.services.live.room import Room
from app.services.live.subscriber import Subscriber, Write

_TICK_SECONDS = 0.2
_LOOK_SECONDS = 5.0
"""What a lost message costs at most while Redis answers."""
_DEAF_LOOK_SECONDS = 1.0
_READS_AT_ONCE = 8
_CALLERS_SECONDS = 2.0

log = getLogger(__name__)


class Hub:
    """Tells whoever watches a project of every change in it, read from the documents; Redis only says when to read."""

    def __init__(self, database: Async, redis_url: str) -> None:
        self._database = database
        self._rooms: dict[str, Room] = {}
        self._listener = ChangeListener(redis_url, self._hear)
        self._reading = asyncio.Semaphore(_READS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False

    @property
    def hearing(self) -> bool:
        """Whether changes are heard of, and not only found by looking."""
        return self._listener.hearing

    def start(self) -> None:
        """Begin to listen; in a running event loop."""
        self._spawn(self._listener.run())
        self._spawn(self._tick())
        self._spawn(self._watch_callers())

    async def close(self) -> None:
        """End every stream, and stop."""
        self.end()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def end(self) -> None:
        """End every stream, and each that begins from now on: the clients connect again, to another process."""
        self._ended = True
        for room in self._rooms.values():
            room.end()

    def is_watched(self, project_id: str, workspace: str) -> bool:
        """Whether somebody of this workspace watches the project, which is there then."""
        room = self._rooms.get(project_id)
        return room is not None and not room.ended and room.workspace == workspace

    def join(self, project_id: str, caller: Caller, write: Write) -> Callable[[], None]:
        """Write the snapshot of a project of the caller's, and then each change, to one client.

        Until what this returns is called.
        """
        if self._ended:
            Subscriber(caller, write, _nothing).offer(b"", last=True)
            return _nothing
        room = self._rooms.get(project_id)
        if room is None or room.ended:
            room = self._rooms[project_id] = Room(self._database, project_id, caller.workspace, self._reading)
            self._spawn(self._run(room))
        return partial(room.leave, room.join(caller, write))

    def _hear(self, project_id: str, *scene_ids: str) -> None:
        room = self._rooms.get(project_id)
        if room is not None:
            room.changed(scene_ids)

    async def _run(self, room: Room) -> None:
        await self._listener.follow(room.project_id)
        try:
            await room.run()
        except Exception:
            log.exception("project %s: its event streams broke", room.project_id)
        finally:
            room.end()
            if self._rooms.get(room.project_id) is room:
                del self._rooms[room.project_id]
                await self._listener.unfollow(room.project_id)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            for room in tuple(self._rooms.values()):
                room.tick(_LOOK_SECONDS if self.hearing else _DEAF_LOOK_SECONDS)

    async def _watch_callers(self) -> None:
        """End the streams of those whose key was revoked, or whose session has ended."""
        while True:
            await asyncio.sleep(_CALLERS_SECONDS)
            callers = {caller for room in self._rooms.values() for caller in room.callers}
            if not callers:
                continue
            try:
                shut_out = await crud_session.find_shut_out(self._database, callers)
            except DatabaseError as error:
                log.warning("who may go on watching cannot be read (%s)", error)
                continue
            for room in tuple(self._rooms.values()):
                room.end_for(shut_out)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _nothing(*_: object) -> None: ...

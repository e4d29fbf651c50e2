"""One open event stream, which nobody waits for."""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from app.crud.crud_session import Caller

Write = Callable[[bytes, bool], Coroutine[Any, Any, None]]
"""Writes a chunk to the client, and says whether another may follow; it waits where the client reads too slowly."""


class Subscriber:
    """A client, given a chunk only while its connection takes one at once: at most one is held for it."""

    __slots__ = ("_held", "_on_taken", "_write", "caller", "in_step")

    def __init__(self, caller: Caller, write: Write, on_taken: Callable[["Subscriber"], None]) -> None:
        self.caller = caller
        self._write = write
        self._on_taken = on_taken
        self._held: asyncio.Task[None] | None = None
        self.in_step = False
        """Whether it has had everything so far."""

    def offer(self, chunk: bytes, *, last: bool = False) -> bool:
        """Write the chunk; whether the connection took it at once. If not, `on_taken` is called when it has."""
        if self._held is not None:
            return False
        writing = self._write(chunk, not last)
        # The first step is made here and not in a task: for thousands of clients that is half of the time.
        try:
            waits_for = writing.send(None)
        except StopIteration:
            return True
        except (OSError, RuntimeError):  # the client has gone, and its request is about to find out
            return False
        self._held = asyncio.get_running_loop().create_task(_finish(writing, waits_for))
        self._held.add_done_callback(self._taken)
        return False

    def drop(self) -> None:
        """Forget the chunk that is held."""
        if self._held is not None:
            self._held.cancel()

    def _taken(self, task: asyncio.Task[None]) -> None:
        self._held = None
        if not task.cancelled() and task.exception() is None:
            self._on_taken(self)


async def _finish(writing: Coroutine[Any, Any, None], waits_for: Any) -> None:
    await _resumed(writing, waits_for)


@types.coroutine
def _resumed(writing: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Await a coroutine that has made its first step already, and waits for this."""
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - also a cancellation belongs to the coroutine
                waits_for = writing.throw(error)
            else:
                waits_for = writing.send(sent)
    except StopIteration:
        return

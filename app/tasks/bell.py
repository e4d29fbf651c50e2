"""Ringing without waiting: one thread publishes, so that a slow or dead broker never holds a request up.

What is dropped here is rung again by the reconciler: the scene's document has been written before.
"""

from collections.abc import Callable
from contextlib import suppress
from logging import getLogger
from queue import Empty, Full, Queue
from threading import Thread

from app.tasks.maintenance_tasks import sweep_scene_task
from app.tasks.media_tasks import download_media_task, resolve_media_task

_WAITING_AT_MOST = 10_000
_STOP_SECONDS = 3.0

log = getLogger(__name__)


class Bell:
    """A bounded queue in front of the broker, emptied by one daemon thread."""

    def __init__(self) -> None:
        self._calls: Queue[Callable[[], object] | None] = Queue(_WAITING_AT_MOST)
        self._thread = Thread(target=self._publish, name="bell", daemon=True)
        self._thread.start()

    def store(self, scene_id: str, generation: int) -> None:
        """Have a worker look at the scene."""
        self._put(lambda: download_media_task.delay(scene_id, generation))

    def resolve(self, resolution_id: str) -> None:
        """Have a worker find out what is behind a link."""
        self._put(lambda: resolve_media_task.delay(resolution_id))

    def sweep(self, scene_id: str) -> None:
        """Have a worker clean up after the scene."""
        self._put(lambda: sweep_scene_task.delay(scene_id))

    def close(self) -> None:
        """Publish what waits, for three seconds at most."""
        with suppress(Full):
            self._calls.put_nowait(None)
        self._thread.join(_STOP_SECONDS)

    def _put(self, call: Callable[[], object]) -> None:
        with suppress(Full):
            self._calls.put_nowait(call)

    def _publish(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - whatever the broker does, this thread must live
                self._drop_waiting()
                log.warning("the broker does not answer (%s); the reconciler will ring", error)

    def _drop_waiting(self) -> None:
        """Each would fail as slowly as the one before."""
        with suppress(Empty):
            while True:
                if self._calls.get_nowait() is None:
                    self._calls.put_nowait(None)
                    return

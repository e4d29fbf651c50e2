"""Which workers listen, asked through the broker."""

from threading import Event, Thread

from app.core import celery_app as celery_core

_ANSWER_SECONDS = 1.0
_PAUSE_SECONDS = 1.0
_FIRST_SECONDS = 5.0


class WorkerWatch:
    """Asks every two seconds, in a thread of its own: whoever wants to know does not wait for the answers."""

    def __init__(self) -> None:
        self._names: list[str] | None = None
        self._asked = Event()
        self._ended = Event()
        Thread(target=self._watch, name="workers", daemon=True).start()

    def listening(self) -> list[str] | None:
        """The names of the workers that answered last; None where the broker itself did not. Blocks at first alone."""
        self._asked.wait(_FIRST_SECONDS)
        return self._names

    def close(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.is_set():
            self._names = celery_core.online_workers(celery_core.celery_app, _ANSWER_SECONDS)
            self._asked.set()
            self._ended.wait(_PAUSE_SECONDS)

"""Keeping a claim: renewed while the work goes on, and noticed within a second when it is lost."""

import time
from collections.abc import Callable, Mapping
from logging import getLogger
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from app.core.database import DatabaseError, Sync
from app.core.media_errors import FetchTimeoutError
from app.core.redis import Changed, unannounced
from app.crud import crud_lease
from app.crud.crud_lease import Claim
from app.crud.crud_scene import update_scene_status_sync
from app.models.media import Status
from app.services.progress import ProgressMeter

_TICK_SECONDS = 0.5
_LOOK_SECONDS = 1.0
_STOP_BEFORE_END = 0.8  # of a lease without a renewal: stop before anybody else may begin

log = getLogger(__name__)


class LeaseLostError(Exception):
    """The scene was canceled, replaced, deleted or given to another worker: stop, and leave it alone."""


class HandOverError(Exception):
    """The worker is stopping, and the time in which it might have finished is over: give the scene back."""


class LeaseKeeper:
    """Renews one claim from a thread of its own, with the progress in the same write, at most twice a second."""

    def __init__(
        self,
        database: Sync,
        claim: Claim,
        lease_seconds: float,
        deadline_seconds: float,
        must_hand_over: Callable[[], bool] = lambda: False,
        *,
        changed: Changed = unannounced,
    ) -> None:
        self.claim = claim
        self.meter = ProgressMeter()
        self._database = database
        self._lease_seconds = lease_seconds
        self._deadline = time.monotonic() + deadline_seconds
        self._must_hand_over = must_hand_over
        self._changed = changed
        self._renewed_at = self._looked_at = time.monotonic()
        self._written: Mapping[str, Any] = {}
        self._lost = Event()
        self._done = Event()
        self._stop: Callable[[], None] | None = None
        self._thread = Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._announce()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call this, from the keeper's thread, when the work must end: it ends a blocked read."""
        self._stop = stop

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    def check(self) -> None:
        """Raise `LeaseLostError`, `HandOverError`, or `FetchTimeoutError` if the job has had its time."""
        if self._lost.is_set() or self._overdue:
            raise LeaseLostError
        if self._must_hand_over():
            raise HandOverError
        if time.monotonic() > self._deadline:
            raise FetchTimeoutError

    @property
    def _overdue(self) -> bool:
        """Without a renewal for so long that somebody else may begin soon: the database does not answer us."""
        return time.monotonic() - self._renewed_at > self._lease_seconds * _STOP_BEFORE_END

    def advance(self, target: Status, **media: Any) -> None:
        """Bring the scene to its next state. Raises `LeaseLostError`."""
        if not update_scene_status_sync(self._database, self.claim.fence, target, media):
            self._lost.set()
            raise LeaseLostError
        self._announce()

    def note_upload(self, upload: Mapping[str, Any] | None, *, another: bool = False) -> None:
        """Write the multipart upload down, or that there is none any more, and whether another may be open.

        Raises `LeaseLostError`.
        """
        if not crud_lease.note_upload(self._database, self.claim, upload, another=another):
            self._lost.set()
            raise LeaseLostError

    def _announce(self) -> None:
        self._changed(self.claim.project_id, self.claim.scene_id)

    def _keep(self) -> None:
        try:
            self._watch()
        except Exception:
            log.exception("scene %s: the lease keeper broke", self.claim.scene_id)
            self._lost.set()

    def _watch(self) -> None:
        while not self._done.wait(_TICK_SECONDS):
            if not self.lost and not self._stands():
                self._lost.set()
                log.info("scene %s: the lease of generation %d is lost", self.claim.scene_id, self.claim.generation)
            must_end = self.lost or time.monotonic() > self._deadline or self._must_hand_over()
            if self._stop is not None and must_end:
                self._stop()

    def _stands(self) -> bool:
        now = time.monotonic()
        progress = self.meter.snapshot()
        moved = any(progress[name] != self._written.get(name) for name in ("bytes_done", "bytes_stored", "stalled"))
        try:
            if moved or now - self._renewed_at >= self._lease_seconds / 3:
                self._written = progress
                held = crud_lease.renew(self._database, self.claim, self._lease_seconds, progress)
                self._renewed_at = self._looked_at = now if held else self._renewed_at
                self._announce()
                return held
            if now - self._looked_at >= _LOOK_SECONDS:
                self._looked_at = now
                return crud_lease.still_held(self._database, self.claim)
        except DatabaseError:
            log.warning("scene %s: the lease cannot be renewed", self.claim.scene_id, exc_info=True)
        return not self._overdue

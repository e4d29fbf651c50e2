"""The use case: claim -> resolve -> fetch -> store -> process -> ready.

One call takes one generation of one scene as far as it goes. It ends `ready`, `failed` with a code, or `retrying`;
`queued` again where the worker stops or the bucket refuses everybody; and where the claim is lost on the way it stops,
removes what it made, and writes nothing more.
"""

from contextlib import suppress
from dataclasses import dataclass
from logging import getLogger
from typing import Any

from app.core.config import Settings
from app.core.database import DatabaseError, Sync, server_now_sync
from app.core.media_errors import DiskFullError, InternalError, MediaError
from app.core.redis import Changed, unannounced
from app.core.shutdown import stopping_for
from app.crud import crud_backlog, crud_lease
from app.crud.crud_lease import Claim, Ending
from app.crud.crud_scene import find_scene_sync
from app.models.media import Status, milliseconds
from app.services.acquire import Acquisition
from app.services.admission import Admission
from app.services.fetch.scratch import NoRoomYetError
from app.services.lease import HandOverError, LeaseKeeper, LeaseLostError
from app.services.process.inspect import Inspection, inspect
from app.services.retry import may_retry, retry_delay
from app.services.storage import keys
from app.services.storage.bucket import Bucket
from app.services.sweep import sweep_disk, sweep_scene

_HAND_OVER_SECONDS = 5.0
"""What ending a job takes at most: so long before the end of the shutdown it begins."""

_ROOM_SECONDS = 60.0
"""How long a job that does not fit on the disk waits before it looks again."""

log = getLogger(__name__)


@dataclass(frozen=True)
class Intake:
    """What the use case works with: `worker` is the worker's name (machine/process), `changed` hears of each write."""

    database: Sync
    bucket: Bucket
    settings: Settings
    worker: str
    changed: Changed = unannounced

    def run(self, scene_id: str, generation: int) -> bool:
        """Take this generation of this scene in, if it waits for that; whether it was given back for another worker."""
        scene = find_scene_sync(self.database, scene_id)
        claimable = crud_lease.is_claimable(scene, generation, server_now_sync(self.database))
        if scene is None or not claimable:
            return False
        try:
            given_back = self._admission.admits(scene) and self._attempt(scene_id, generation)
        finally:
            self.changed(scene["project_id"], scene_id)
        with suppress(OSError, DatabaseError):  # the next round of cleaning comes
            sweep_disk(self.database, self.settings.scratch_dir)
        return given_back

    def _attempt(self, scene_id: str, generation: int) -> bool:
        seconds = self.settings.takeup_lease_seconds
        claim = crud_lease.claim(self.database, scene_id, generation, self.worker, seconds)
        if claim is None:
            return False
        deadline = self.settings.takeup_job_seconds
        with LeaseKeeper(self.database, claim, seconds, deadline, self._stops, changed=self.changed) as keeper:
            try:
                self._take_in(claim, keeper)
            except LeaseLostError:
                self._leave(claim)
            except HandOverError:
                return self._give_back(claim)
            except NoRoomYetError:
                self._give_back(claim, DiskFullError())
            except MediaError as error:
                self._fail(claim, keeper, error)
            except Exception:
                log.exception("scene %s: attempt %d broke", scene_id, claim.attempt)
                self._fail(claim, keeper, InternalError())
        return False

    @property
    def _admission(self) -> Admission:
        return Admission(self.database, self.bucket, self.settings, self.worker.partition("/")[0])

    def _stops(self) -> bool:
        """Whether the worker is stopping, and has no more time than ending the job takes."""
        stopping = stopping_for()
        seconds = self.settings.takeup_shutdown_seconds
        return stopping is not None and stopping > seconds - min(_HAND_OVER_SECONDS, seconds / 2)

    def _take_in(self, claim: Claim, keeper: LeaseKeeper) -> None:
        original = Acquisition(self.bucket, self.settings, claim, keeper).original()
        keeper.advance(Status.PROCESSING)
        found = inspect(
            self.bucket,
            original["key"],
            original["bytes"],
            self.settings.takeup_max_duration_seconds,
            keeper.check,
        )
        poster = self._store_poster(claim, found)
        keeper.check()
        self._finish(claim, original, {"probe": found.probe, "poster": poster}, keeper.meter.resumed)

    def _store_poster(self, claim: Claim, found: Inspection) -> dict[str, Any] | None:
        if found.poster is None:
            return None
        key = keys.poster_key(claim.project_id, claim.scene_id, claim.generation)
        self.bucket.put(key, found.poster, "image/webp", only_new=False)
        return {"key": key, "width": found.poster_width, "height": found.poster_height}

    def _finish(self, claim: Claim, original: dict[str, Any], found: dict[str, Any], resumed: int = 0) -> None:
        alone = claim.is_first and claim.generation == 1
        if not alone:
            crud_backlog.note_sweep(self.database, claim.scene_id, server_now_sync(self.database))
        ending = Ending("ready", bytes_done=original["bytes"], resumed_bytes=resumed)
        fields = {"original": original, "upload": None, **found}
        if not crud_lease.end_attempt(self.database, claim, Status.READY, ending, fields):
            raise LeaseLostError
        self.changed(claim.project_id, claim.scene_id)  # the sweep may take a while
        log.info("scene %s: ready, %d bytes", claim.scene_id, original["bytes"])
        self._admission.succeeded(claim.source_url)
        if not alone:
            self._sweep(claim)

    def _give_back(self, claim: Claim, reason: MediaError | None = None) -> bool:
        """Queue the scene for another worker, or for later where it has a `reason` to wait; no attempt is counted."""
        seconds = _ROOM_SECONDS if reason else self.settings.takeup_claim_grace_seconds
        due_ms = milliseconds(server_now_sync(self.database), seconds)
        given = crud_lease.give_back(self.database, claim, due_ms, reason.failure() if reason else None)
        if not given:
            self._leave(claim)
        return given

    def _fail(self, claim: Claim, keeper: LeaseKeeper, error: MediaError) -> None:
        """Write the failure down: tried again later where its policy and the cap allow it, else for good."""
        log.info("scene %s: attempt %d ended with %s", claim.scene_id, claim.attempt, error.code)
        if self._admission.failed(claim.source_url, error):
            self._give_back(claim)
            return
        again = may_retry(error.policy, claim.attempt, claim.max_attempts)
        ending = Ending("retrying" if again else "failed", error.failure(), keeper.meter.stored, keeper.meter.resumed)
        now = server_now_sync(self.database)
        if again:
            due_ms = milliseconds(now, retry_delay(error, claim.attempt, self.settings))
            held = crud_lease.end_attempt(self.database, claim, Status.RETRYING, ending, due_ms=due_ms)
        else:
            crud_backlog.note_sweep(self.database, claim.scene_id, now)
            held = self._discard(claim, keeper) and crud_lease.end_attempt(
                self.database, claim, Status.FAILED, ending, {"upload": None}
            )
        if not held:
            self._leave(claim)

    def _leave(self, claim: Claim) -> None:
        """The claim is lost: remove what nobody owns, then let go."""
        self._sweep(claim)
        crud_lease.let_go(self.database, claim)

    def _discard(self, claim: Claim, keeper: LeaseKeeper) -> bool:
        """Remove what this generation stored, if it is ours still; what the bucket keeps is swept later.

        False where it is not: another worker may have stored it meanwhile, or we did and never heard the answer.
        """
        seconds = self.settings.takeup_lease_seconds
        if not crud_lease.renew(self.database, claim, seconds, keeper.meter.snapshot()):
            return False
        prefix = keys.generation_prefix(claim.project_id, claim.scene_id, claim.generation)
        try:
            for upload in list(self.bucket.open_uploads(prefix)):
                self.bucket.abort_upload(upload.key, upload.upload_id)
            self.bucket.delete(list(self.bucket.keys(prefix)))
        except MediaError:
            log.warning("scene %s: discarding is left to the reconciler", claim.scene_id, exc_info=True)
        return True

    def _sweep(self, claim: Claim) -> None:
        """Clean up now; where the bucket does not answer, the sweep that was noted does it later."""
        try:
            sweep_scene(self.database, self.bucket, claim.project_id, claim.scene_id)
        except (MediaError, DatabaseError):
            log.warning("scene %s: the sweep is left to the reconciler", claim.scene_id, exc_info=True)

"""The use case: claim -> resolve -> fetch -> store -> process -> ready.

One call takes one generation of one scene as far as it goes. It ends `ready`, `failed` with a code, or `retrying`;
`queued` again where the worker stops or the bucket refuses everybody; and where the claim is lost on the way it stops,
removes what it made, and writes nothing more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import getLogger
from typing import Any

from app.core.config import Settings
from app.core.database import DatabaseError, Sync, server_now_sync
from app.core.media_errors import DiskFullError, InternalError, MediaError, StorageUnavailableError
from app.core.redis import Changed, unannounced
from app.core.shutdown import stopping_for
from app.crud import crud_backlog, crud_lease
from app.crud.crud_lease import Claim, Ending
from app.crud.crud_scene import find_scene_sync
from app.models.media import Status, milliseconds
from app.services.admission import Admission
from app.services.adoption import stored_original
from app.services.fetch.direct import open_direct
from app.services.fetch.exchange import Limits
from app.services.fetch.extract import Extraction, ExtractionProgress, extracted
from app.services.fetch.guard import Guard
from app.services.fetch.scratch import NoRoomYetError
from app.services.fetch.source import Source
from app.services.lease import HandOverError, LeaseKeeper, LeaseLostError
from app.services.process.inspect import Inspection, inspect
from app.services.retry import may_retry, retry_delay
from app.services.storage import keys
from app.services.storage.bucket import Bucket, ObjectExistsError
from app.services.storage.multipart import Target, Upload, Watcher, store_stream
from app.services.sweep import sweep_scene

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
            return self._admission.admits(scene) and self._attempt(scene_id, generation)
        finally:
            self.changed(scene["project_id"], scene_id)

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
        original = self._adopted(claim, keeper) or self._fetch(claim, keeper)
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
        self._finish(claim, original, {"probe": found.probe, "poster": poster})

    def _fetch(self, claim: Claim, keeper: LeaseKeeper) -> dict[str, Any]:
        """Resolve the link, and store what is there; the document's `original`."""
        try:
            with self._source(claim, keeper) as source:
                return self._store(claim, keeper, source)
        except ObjectExistsError:
            stored = stored_original(self.bucket, claim, keeper.check)
            if stored is None:
                raise StorageUnavailableError from None
            return stored
        except MediaError:
            keeper.check()  # a read that the keeper ended is no failure of the source
            raise

    @contextmanager
    def _source(self, claim: Claim, keeper: LeaseKeeper) -> Iterator[Source]:
        settings = self.settings
        limits = Limits(settings.takeup_max_bytes, settings.takeup_job_seconds, settings.takeup_read_timeout_seconds)
        guard = Guard.of_settings(settings)
        direct = open_direct(claim.source_url, guard, limits, keeper.on_stop)
        if direct is not None:
            try:
                keeper.advance(Status.DOWNLOADING)
                keeper.meter.expect(direct.length)
                yield direct
            finally:
                direct.close()
            return
        keeper.advance(Status.DOWNLOADING)
        extraction = Extraction(
            url=claim.source_url,
            limits=limits,
            guard=guard,
            max_duration_seconds=settings.takeup_max_duration_seconds,
            max_playlist_entries=settings.takeup_max_playlist_entries,
            max_height=settings.takeup_max_height,
            scratch=settings.scratch_dir,
            keep_free_bytes=settings.takeup_min_free_bytes,
        )
        progress = ExtractionProgress(keeper.check, keeper.meter.expect, keeper.meter.set_fetched)
        with extracted(extraction, progress) as source:
            keeper.meter.expect(source.length)
            yield source

    def _store(self, claim: Claim, keeper: LeaseKeeper, source: Source) -> dict[str, Any]:
        key = keys.original_key(claim.project_id, claim.scene_id, claim.generation, source.media_type.extension)
        target = Target(self.bucket, key, source.media_type.content_type)
        stored = store_stream(
            target, source.chunks, source.length or self.settings.takeup_max_bytes, _IntakeWatcher(keeper, source)
        )
        return {
            "key": key,
            "bytes": stored.bytes,
            "content_type": target.content_type,
            "filename": source.filename,
            "etag": stored.etag,
            "checksum": f"sha256:{stored.sha256}",
        }

    def _adopted(self, claim: Claim, keeper: LeaseKeeper) -> dict[str, Any] | None:
        """What an earlier attempt stored and could not write down any more; its unfinished upload is aborted."""
        if claim.is_first:
            return None
        if claim.upload:
            self.bucket.abort_upload(claim.upload["key"], claim.upload["upload_id"])
        return stored_original(self.bucket, claim, keeper.check)

    def _store_poster(self, claim: Claim, found: Inspection) -> dict[str, Any] | None:
        if found.poster is None:
            return None
        key = keys.poster_key(claim.project_id, claim.scene_id, claim.generation)
        self.bucket.put(key, found.poster, "image/webp", only_new=False)
        return {"key": key, "width": found.poster_width, "height": found.poster_height}

    def _finish(self, claim: Claim, original: dict[str, Any], found: dict[str, Any]) -> None:
        alone = claim.is_first and claim.generation == 1
        if not alone:
            crud_backlog.note_sweep(self.database, claim.scene_id, server_now_sync(self.database))
        ending = Ending("ready", bytes_done=original["bytes"])
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
        ending = Ending("retrying" if again else "failed", error.failure(), keeper.meter.stored)
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


class _IntakeWatcher(Watcher):
    """Keeps the scene's document in step with the transfer."""

    def __init__(self, keeper: LeaseKeeper, source: Source) -> None:
        self._keeper = keeper
        self._source = source

    def fetched(self, count: int) -> None:
        self._keeper.check()
        if not self._source.local:
            self._keeper.meter.add_fetched(count)

    def stored(self, count: int) -> None:
        self._keeper.meter.add_stored(count)

    def upload_made(self, upload: Upload) -> None:
        known = {"key": upload.key, "upload_id": upload.upload_id, "part_size": upload.part_size}
        self._keeper.note_upload(known, another=upload.asked_again)

    def before_commit(self) -> None:
        self._keeper.check()  # a source that the keeper ended may look as if it had come to its end
        self._keeper.advance(Status.UPLOADING)

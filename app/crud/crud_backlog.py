"""What the reconciler asks of the scenes: who has been waiting too long, and what was left to finish."""

from collections.abc import Iterator
from datetime import datetime

from pymongo import ASCENDING

from app.core.database import Document, Sync
from app.core.media_errors import WorkerCrashedError
from app.crud.crud_lease import MAX_ATTEMPT_RECORDS, Ending, attempt_record
from app.crud.crud_scene import ALIVE, edit, state_change, sweep_note, update_scene_status_sync
from app.models.media import ACTIVE, Status, milliseconds


def waiting_too_long(database: Sync, now: datetime, limit: int) -> Iterator[Document]:
    """Queued and not claimed, due for a retry, or pending and not asked for, in the order in which they became due."""
    return _due(database, "media.due_ms", now, limit)


def expired_leases(database: Sync, now: datetime, limit: int) -> Iterator[Document]:
    """Whose worker has not renewed its lease in time."""
    return _due(database, "media.lease.expires_ms", now, limit)


def due_sweeps(database: Sync, now: datetime, limit: int) -> Iterator[Document]:
    """Scenes under whose prefix something unowned may lie."""
    return _due(database, "sweep.at_ms", now, limit)


def _due(database: Sync, field: str, now: datetime, limit: int) -> Iterator[Document]:
    if limit <= 0:  # which MongoDB takes for no limit at all
        return iter(())
    due = {field: {"$lte": milliseconds(now)}, **ALIVE}
    return iter(database["scenes"].find(due).sort([(field, ASCENDING)]).limit(limit))


def queue_forgotten(database: Sync, scene: Document, due_ms: int) -> int | None:
    """Queue a pending scene as its page would have done; its generation, or None where somebody else was faster."""
    generation = int(scene["media"]["generation"]) + 1
    condition, update = state_change(Status.QUEUED, {"generation": generation}, among={Status.PENDING}, due_ms=due_ms)
    update["$currentDate"]["media.requested_at"] = True
    fence = {"_id": scene["_id"], **ALIVE, "media.generation": generation - 1}
    return generation if database["scenes"].update_one({**fence, **condition}, update).matched_count else None


def end_crashed_attempt(database: Sync, scene: Document, now: datetime, due_ms: int) -> Status | None:
    """Take the scene from the worker that died: queued again, or failed where that was the last attempt.

    None where the lease was renewed or taken since `scene` was read.
    """
    media = scene["media"]
    lease = media["lease"]
    last = media["attempt"] >= media["max_attempts"]
    crashed = WorkerCrashedError().failure()
    record = attempt_record(media["attempt"], lease["worker"], lease["started_at"], now, Ending("crashed", crashed))
    fence = {
        "_id": scene["_id"],
        **ALIVE,
        "media.generation": media["generation"],
        "media.lease.token": lease["token"],
        "media.lease.expires_ms": {"$lte": milliseconds(now)},
    }
    target = Status.FAILED if last else Status.QUEUED
    changes = {
        "lease": None,
        "progress": None,
        "error": crashed if last else None,
        "attempts": [*media["attempts"], record][-MAX_ATTEMPT_RECORDS:],
    }
    due = None if last else due_ms
    if not update_scene_status_sync(database, fence, target, changes, among=ACTIVE, due_ms=due):
        return None
    note_sweep(database, scene["_id"], now)
    return target


def note_sweep(database: Sync, scene_id: str, now: datetime) -> None:
    """Have the scene's prefix swept once no lost worker can be writing there any more."""
    database["scenes"].update_one({"_id": scene_id}, edit(sweep_note(now)))


def clear_sweep(database: Sync, scene: Document) -> None:
    """Note the sweep as done, unless another was asked for since `scene` was read."""
    database["scenes"].update_one({"_id": scene["_id"], "sweep.at_ms": scene["sweep"]["at_ms"]}, edit({"sweep": None}))


def forget_idempotency_keys(database: Sync, before: datetime) -> int:
    """Drop the answers kept for repeated requests that are older than `before`."""
    return database["idempotency"].delete_many({"created_at": {"$lte": before}}).deleted_count

"""What the reconciler asks of the scenes: who has been waiting too long, and what was left to finish."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from pymongo import ASCENDING

from app.core.database import Document, Sync
from app.core.media_errors import WorkerCrashedError
from app.crud.crud_lease import MAX_ATTEMPT_RECORDS, Ending, attempt_record
from app.crud.crud_scene import ALIVE, SWEEP_DELAY_SECONDS, state_change, update_scene_status_sync
from app.models.media import ACTIVE, Status


def _waiting_since(database: Sync, status: Status, field: str, before: datetime, limit: int) -> Iterator[Document]:
    due: Document = {**ALIVE, "media.status": status, field: {"$lte": before}}
    if limit <= 0:  # which MongoDB takes for no limit at all
        return iter(())
    return iter(database["scenes"].find(due).sort([(field, ASCENDING)]).limit(limit))


def unclaimed(database: Sync, now: datetime, grace_seconds: float, limit: int) -> Iterator[Document]:
    """Queued for longer than the grace, oldest first."""
    before = now - timedelta(seconds=grace_seconds)
    return _waiting_since(database, Status.QUEUED, "media.status_at", before, limit)


def due_retries(database: Sync, now: datetime, limit: int) -> Iterator[Document]:
    """Whose next attempt is due, oldest first."""
    return _waiting_since(database, Status.RETRYING, "media.next_attempt.at", now, limit)


def forgotten(database: Sync, now: datetime, grace_seconds: float, limit: int) -> Iterator[Document]:
    """Has a link that nobody asked to store in the grace: the page that would have is gone."""
    before = now - timedelta(seconds=grace_seconds)
    return _waiting_since(database, Status.PENDING, "media.status_at", before, limit)


def queue_forgotten(database: Sync, scene: Document) -> bool:
    """Queue a pending scene as its page would have done; False where somebody else was faster."""
    media = scene["media"]
    pending = {"_id": scene["_id"], **ALIVE, "media.generation": media["generation"]}
    update = state_change(Status.QUEUED, {"generation": media["generation"] + 1})
    update["$currentDate"]["media.requested_at"] = True
    return database["scenes"].update_one({**pending, "media.status": Status.PENDING}, update).matched_count == 1


def expired_leases(database: Sync, now: datetime, limit: int) -> Iterator[Document]:
    """Whose worker has not renewed its lease in time."""
    due: Document = {
        **ALIVE,
        "media.status": {"$in": sorted(ACTIVE)},
        "media.lease.expires_at": {"$lte": now},
    }
    return iter(database["scenes"].find(due).limit(limit))


def end_crashed_attempt(database: Sync, scene: Document, now: datetime) -> Status | None:
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
        "media.lease.expires_at": {"$lte": now},
    }
    target = Status.FAILED if last else Status.QUEUED
    changes = {
        "lease": None,
        "progress": None,
        "error": crashed if last else None,
        "attempts": [*media["attempts"], record][-MAX_ATTEMPT_RECORDS:],
    }
    if not update_scene_status_sync(database, fence, target, changes):
        return None
    note_sweep(database, scene["_id"], now)
    return target


def note_sweep(database: Sync, scene_id: str, now: datetime) -> None:
    """Have the scene's prefix swept once no lost worker can be writing there any more."""
    at = now + timedelta(seconds=SWEEP_DELAY_SECONDS)
    database["scenes"].update_one({"_id": scene_id}, {"$set": {"sweep": {"at": at}}, "$inc": {"version": 1}})


def due_sweeps(database: Sync, now: datetime, limit: int) -> Iterator[Document]:
    """Scenes under whose prefix something unowned may lie."""
    return iter(database["scenes"].find({**ALIVE, "sweep.at": {"$lte": now}}).limit(limit))


def clear_sweep(database: Sync, scene: Document) -> None:
    """Note the sweep as done, unless another was asked for since `scene` was read."""
    database["scenes"].update_one(
        {"_id": scene["_id"], "sweep.at": scene["sweep"]["at"]}, {"$set": {"sweep": None}, "$inc": {"version": 1}}
    )


def deletions(database: Sync, limit: int) -> Iterator[Document]:
    """Scenes that are marked for deletion and not yet removed."""
    return iter(database["scenes"].find({"deletion": {"$ne": None}}).limit(limit))


def remove_scene(database: Sync, scene_id: str) -> None:
    """The last step of a deletion: nothing is left under the scene's prefix."""
    database["scenes"].delete_one({"_id": scene_id, "deletion": {"$ne": None}})


def forget_idempotency_keys(database: Sync, before: datetime) -> int:
    """Drop the answers kept for repeated requests that are older than `before`."""
    return database["idempotency"].delete_many({"created_at": {"$lte": before}}).deleted_count

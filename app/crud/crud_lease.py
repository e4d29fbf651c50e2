"""What a worker does to a scene: claim it, renew the lease, change its state, and end the attempt.

Every write after the claim carries `{generation, lease token}` in its filter. A worker whose lease was taken,
whose scene was canceled, replaced or deleted, matches nothing, and must stop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pymongo import ReturnDocument
from uuid_utils import uuid4

from app.core.database import Document, Sync, server_now_sync
from app.crud.crud_scene import ALIVE, edit, state_change, sweep_note, update_scene_status_sync
from app.models.media import ACTIVE, WAITING, Status, milliseconds

MAX_ATTEMPT_RECORDS = 20


@dataclass(frozen=True)
class Claim:
    """A worker's hold on one generation of one scene."""

    scene_id: str
    project_id: str
    generation: int
    attempt: int
    max_attempts: int
    token: str
    worker: str
    started_at: datetime
    source_url: str
    max_height: int | None
    given_back: bool
    upload: Mapping[str, Any] | None
    attempts: tuple[Mapping[str, Any], ...]

    @property
    def is_first(self) -> bool:
        """Whether no earlier attempt of this generation can have stored anything."""
        return self.attempt == 1 and not self.given_back

    @property
    def fence(self) -> Document:
        """The filter that only the holder of the lease matches."""
        return {
            "_id": self.scene_id,
            **ALIVE,
            "media.generation": self.generation,
            "media.lease.token": self.token,
        }


def claim(database: Sync, scene_id: str, generation: int, worker: str, lease_seconds: float) -> Claim | None:
    """Take the scene's generation if it waits and is due; None where there is nothing (or no longer) to do."""
    now = server_now_sync(database)
    lease = _lease(str(uuid4()), worker, now, now, lease_seconds)
    fields = {"lease": lease, "error": None, "progress": {"bytes_done": 0}}
    due = {"media.due_ms": {"$lte": milliseconds(now)}}
    # One after the other: with an `$or` the embedded database reads every scene.
    for waiting, when in ((Status.QUEUED, {}), (Status.RETRYING, due)):
        condition, update = state_change(Status.RESOLVING, fields, among={waiting})
        update["$inc"]["media.attempt"] = 1
        document = database["scenes"].find_one_and_update(
            {"_id": scene_id, **ALIVE, "media.generation": generation, **condition, **when},
            update,
            return_document=ReturnDocument.AFTER,
        )
        if document is not None:
            return _claim_of(document)
    return None


def _lease(token: str, worker: str, started_at: datetime, now: datetime, seconds: float) -> Document:
    return {
        "token": token,
        "worker": worker,
        "started_at": started_at,
        "expires_ms": milliseconds(now, seconds),
    }


def _claim_of(document: Document) -> Claim:
    media = document["media"]
    return Claim(
        scene_id=document["_id"],
        project_id=document["project_id"],
        generation=media["generation"],
        attempt=media["attempt"],
        max_attempts=media["max_attempts"],
        token=media["lease"]["token"],
        worker=media["lease"]["worker"],
        started_at=media["lease"]["started_at"],
        source_url=media["source_url"],
        max_height=media.get("max_height"),
        given_back=media.get("given_back", False),
        upload=media["upload"],
        attempts=tuple(media["attempts"]),
    )


def renew(database: Sync, claim: Claim, lease_seconds: float, progress: Mapping[str, Any]) -> bool:
    """Push the lease's end forward and note the progress; False where the claim no longer stands."""
    now = server_now_sync(database)
    lease = _lease(claim.token, claim.worker, claim.started_at, now, lease_seconds)
    result = database["scenes"].update_one(
        {**claim.fence, "media.status": {"$in": sorted(ACTIVE)}},
        edit({"media.lease": lease, "media.progress": dict(progress)}),
    )
    return result.matched_count == 1


def still_held(database: Sync, claim: Claim) -> bool:
    """Whether the claim stands, by a read alone."""
    found = database["scenes"].find_one({**claim.fence, "media.status": {"$in": sorted(ACTIVE)}}, {"_id": 1})
    return found is not None


def note_upload(database: Sync, claim: Claim, upload: Mapping[str, Any] | None, *, another: bool = False) -> bool:
    """Write down the multipart upload, before its first part is sent; False where the claim no longer stands.

    Where `another` may be open that nobody knows of, the scene is swept later.
    """
    sweep = sweep_note(server_now_sync(database)) if another else {}
    result = database["scenes"].update_one(claim.fence, edit({"media.upload": upload, **sweep}))
    return result.matched_count == 1


def give_back(database: Sync, claim: Claim, due_ms: int, reason: Mapping[str, Any] | None = None) -> bool:
    """Queue the scene again as if this attempt had never begun; False where the claim no longer stands.

    `reason`, if it waits for something, is shown as its error until the next attempt.
    """
    error = dict(reason) if reason else None
    fields = {"lease": None, "progress": None, "given_back": True, "error": error}
    condition, update = state_change(Status.QUEUED, fields, among=ACTIVE, due_ms=due_ms)
    update["$inc"]["media.attempt"] = -1
    return database["scenes"].update_one({**claim.fence, **condition}, update).matched_count == 1


def explain(database: Sync, scene: Document, reason: Mapping[str, Any], due_ms: int) -> bool:
    """Show why a queued scene is not begun here; anybody may claim it at any time."""
    fence = {"_id": scene["_id"], **ALIVE, "media.generation": scene["media"]["generation"]}
    return update_scene_status_sync(
        database, fence, Status.QUEUED, {"error": dict(reason)}, among={Status.QUEUED}, due_ms=due_ms
    )


def hold_back(database: Sync, scene: Document, error: Mapping[str, Any], due_ms: int) -> bool:
    """Have a scene that nobody has claimed wait until then, for a reason that is not its own."""
    fence = {"_id": scene["_id"], **ALIVE, "media.generation": scene["media"]["generation"]}
    return update_scene_status_sync(
        database, fence, Status.RETRYING, {"error": dict(error)}, among=WAITING, due_ms=due_ms
    )


def is_claimable(scene: Document | None, generation: int, now: datetime) -> bool:
    """Whether `claim` would take this generation of the scene, as its document stands."""
    media = None if scene is None or scene["deletion"] else scene["media"]
    if media is None or media["generation"] != generation:
        return False
    due = media["due_ms"] is not None and media["due_ms"] <= milliseconds(now)
    return bool(media["status"] == Status.QUEUED or (media["status"] == Status.RETRYING and due))


def let_go(database: Sync, claim: Claim) -> None:
    """Take our lease off a deleted scene: its removal need not wait until it expires.

    A scene that is still there keeps it. Where only we believe it lost, the reconciler must find it.
    """
    deleted = {"_id": claim.scene_id, "media.lease.token": claim.token, "deletion.purge_ms": {"$gt": 0}}
    database["scenes"].update_one(deleted, edit({"media.lease": None}))


Outcome = Literal["ready", "retrying", "failed", "crashed"]


@dataclass(frozen=True)
class Ending:
    """How an attempt ended: its outcome, the failure's code and body if it failed, and the bytes it moved."""

    outcome: Outcome
    error: Mapping[str, Any] | None = None
    bytes_done: int = 0
    resumed_bytes: int = 0


def end_attempt(
    database: Sync,
    claim: Claim,
    target: Status,
    ending: Ending,
    fields: Mapping[str, Any] | None = None,
    *,
    due_ms: int | None = None,
) -> bool:
    """Write the attempt's end: state, record and result in one write; False where the claim no longer stands."""
    now = server_now_sync(database)
    record = attempt_record(claim.attempt, claim.worker, claim.started_at, now, ending)
    changes = {
        "lease": None,
        "progress": None,
        "error": ending.error,
        "attempts": [*claim.attempts, record][-MAX_ATTEMPT_RECORDS:],
        **({"stored_ms": milliseconds(now)} if target is Status.READY else {}),
        **(fields or {}),
    }
    return update_scene_status_sync(database, claim.fence, target, changes, among=ACTIVE, due_ms=due_ms)


def attempt_record(n: int, worker: str, started_at: datetime, ended_at: datetime, ending: Ending) -> Document:
    """The record of one ended attempt, as `media.attempts` keeps it."""
    return {
        "n": n,
        "started_at": started_at,
        "ended_at": ended_at,
        "worker": worker,
        "outcome": ending.outcome,
        "code": ending.error["code"] if ending.error else None,
        "bytes": ending.bytes_done,
        "resumed_bytes": ending.resumed_bytes,
    }

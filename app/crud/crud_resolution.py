"""Resolutions: links that somebody asks about before storing them. Each is forgotten after a quarter of an hour.

`due_ms` is when the reconciler looks at one that has no answer yet: nobody took it up, or its worker died. All moments
are numbers, because an index finds no date (docs/decisions/0006-moments-ahead-are-numbers.md).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from app.core.database import Async, Document, Sync, server_now, server_now_sync
from app.core.errors import ResolutionNotFoundError, TooManyResolutionsError
from app.models.media import milliseconds
from app.models.resolution import ResolutionStatus

MAX_WAITING = 20
"""Most links of one workspace that wait for their answer."""

MAX_ATTEMPTS = 2
PATIENCE_SECONDS = 300.0
"""How long a resolution may wait for a worker."""

_SAME_MS = 60_000
_KEEP_SECONDS = 900.0


@dataclass(frozen=True)
class Claim:
    """One worker's right to answer; `attempt` (counted from 1) tells it from an earlier worker."""

    resolution_id: str
    url: str
    max_height: int | None
    attempt: int

    @property
    def fence(self) -> Document:
        """The filter of every write under this claim."""
        return {
            "_id": self.resolution_id,
            "status": ResolutionStatus.RESOLVING,
            "claimed": True,
            "attempt": self.attempt,
        }


def _id_of(workspace: str, url: str, max_height: int | None, window: int) -> str:
    """Follows from who asks what in which minute, so that two who ask at once make one resolution."""
    return str(UUID(bytes=sha256(f"{workspace}\0{url}\0{max_height}\0{window}".encode()).digest()[:16], version=5))


async def request(
    database: Async, workspace: str, url: str, grace_seconds: float, *, max_height: int | None = None
) -> tuple[Document, bool]:
    """The workspace's resolution of this link at this height, and whether it is new: within a minute it is the same.

    Without a worker after `grace_seconds` it is rung for again. Raises `TooManyResolutionsError`.
    """
    now = await server_now(database)
    now_ms = milliseconds(now)
    window = now_ms // _SAME_MS
    same = [_id_of(workspace, url, max_height, one) for one in (window, window - 1)]
    async for found in database["resolutions"].find({"_id": {"$in": same}}):
        if found["created_ms"] > now_ms - _SAME_MS:
            return found, False
    waiting = {"workspace": workspace, "status": ResolutionStatus.RESOLVING}
    if await database["resolutions"].count_documents(waiting) >= MAX_WAITING:
        raise TooManyResolutionsError
    document = {
        "_id": same[0],
        "workspace": workspace,
        "url": url,
        "max_height": max_height,
        "status": ResolutionStatus.RESOLVING,
        "claimed": False,
        "attempt": 0,
        "media": None,
        "error": None,
        "created_ms": now_ms,
        "due_ms": milliseconds(now, grace_seconds),
        "expires_ms": milliseconds(now, _KEEP_SECONDS),
    }
    try:
        await database["resolutions"].insert_one(document)
    except DuplicateKeyError:
        return await get_resolution(database, workspace, same[0]), False
    return document, True


async def get_resolution(database: Async, workspace: str, resolution_id: str) -> Document:
    """Raises `ResolutionNotFoundError`, also for one whose time is over."""
    found = await database["resolutions"].find_one({"_id": resolution_id, "workspace": workspace})
    if found is None or found["expires_ms"] <= milliseconds(await server_now(database)):
        raise ResolutionNotFoundError
    return found


def claim(database: Sync, resolution_id: str, seconds: float) -> Claim | None:
    """Take the resolution for so many seconds; None where it has its answer, or somebody else has it."""
    now = server_now_sync(database)
    taken: Document | None = database["resolutions"].find_one_and_update(
        {
            "_id": resolution_id,
            "status": ResolutionStatus.RESOLVING,
            "claimed": False,
            "created_ms": {"$gt": milliseconds(now, -PATIENCE_SECONDS)},
        },
        {"$set": {"claimed": True, "due_ms": milliseconds(now, seconds)}, "$inc": {"attempt": 1}},
        return_document=ReturnDocument.AFTER,
    )
    return Claim(resolution_id, taken["url"], taken.get("max_height"), taken["attempt"]) if taken else None


def answer(
    database: Sync,
    claim: Claim,
    status: ResolutionStatus,
    media: Mapping[str, Any] | None,
    error: Mapping[str, Any] | None,
) -> bool:
    """Write the answer; False where the claim is lost."""
    fields = {"status": status, "claimed": False, "due_ms": None, "media": media, "error": error}
    return database["resolutions"].update_one(claim.fence, {"$set": fields}).matched_count == 1


def give_back(database: Sync, claim: Claim, due_ms: int) -> bool:
    """Leave the resolution to another worker, no attempt being counted; False where the claim is lost."""
    update = {"$set": {"claimed": False, "due_ms": due_ms}, "$inc": {"attempt": -1}}
    return database["resolutions"].update_one(claim.fence, update).matched_count == 1


def without_answer(database: Sync, now: datetime, limit: int) -> Iterator[Document]:
    """Those that nobody took up in time, and those whose worker should have come to an end."""
    return iter(database["resolutions"].find({"due_ms": {"$lte": milliseconds(now)}}).limit(limit))


def wait_again(database: Sync, resolution: Document, due_ms: int) -> bool:
    """Free the resolution for another worker; False where it has changed since it was read."""
    fence = {"_id": resolution["_id"], "due_ms": resolution["due_ms"]}
    update = {"$set": {"claimed": False, "due_ms": due_ms}}
    return database["resolutions"].update_one(fence, update).matched_count == 1


def give_up(database: Sync, resolution: Document, error: Mapping[str, Any]) -> None:
    """End the resolution without an answer, unless it has changed since it was read."""
    fence = {"_id": resolution["_id"], "due_ms": resolution["due_ms"]}
    fields = {"status": ResolutionStatus.FAILED, "claimed": False, "due_ms": None, "error": dict(error)}
    database["resolutions"].update_one(fence, {"$set": fields})


def forget_expired(database: Sync, now: datetime) -> int:
    """Drop the resolutions whose time is over."""
    return database["resolutions"].delete_many({"expires_ms": {"$lte": milliseconds(now)}}).deleted_count

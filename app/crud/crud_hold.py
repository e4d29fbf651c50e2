"""Holds: what Takeup stays away from for a while, because it fails (a site, the bucket, the proxy, a full disk).

One document for each such subject counts its failures in a row; with a `hold` it is a circuit breaker that is open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument

from app.core.database import Async, Document, Sync, server_now
from app.models.media import milliseconds, moment_of

BUCKET = "bucket"
PROXY = "proxy"
DISK = "disk:"
SITE = "site:"

_TRIED_SECONDS = 120.0


@dataclass(frozen=True)
class Hold:
    """One subject as its document says: failures in a row and, where it is held, why, since when and until when."""

    subject: str
    failures: int = 0
    since: datetime | None = None
    until_ms: int | None = None
    error: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, document: Document) -> "Hold":
        hold = document.get("hold") or {}
        return cls(
            document["_id"], document.get("failures", 0), hold.get("since"), hold.get("until_ms"), hold.get("error")
        )

    @property
    def until(self) -> datetime | None:
        return moment_of(self.until_ms) if self.until_ms is not None else None


def find_holds(database: Sync, subjects: Sequence[str]) -> dict[str, Hold]:
    """Those of these subjects that have failed of late, by subject."""
    found = database["holds"].find({"_id": {"$in": list(subjects)}})
    return {document["_id"]: Hold.of(document) for document in found}


async def list_system_holds(database: Async) -> list[Hold]:
    """What holds the whole queue up, or one machine: the bucket, the proxy and full disks, not the sites.

    Where nobody has tried for two minutes, nothing waits for it.
    """
    tried_ms = milliseconds(await server_now(database), -_TRIED_SECONDS)
    holds = [Hold.of(document) async for document in database["holds"].find({})]
    return [hold for hold in holds if (hold.until_ms or 0) > tried_ms and not hold.subject.startswith(SITE)]


def count_failure(database: Sync, subject: str) -> Hold:
    """One more failure in a row; the subject as it stands then."""
    counted: Document | None = database["holds"].find_one_and_update(
        {"_id": subject},
        {"$inc": {"failures": 1}, "$currentDate": {"updated_at": True}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    return Hold.of(counted) if counted else Hold(subject)


def put_hold(database: Sync, hold: Hold, error: Mapping[str, Any], now: datetime, until_ms: int) -> None:
    """Stay away from the subject until then."""
    since = hold.since or now
    database["holds"].find_one_and_update(
        {"_id": hold.subject},
        {
            "$set": {"hold": {"since": since, "until_ms": until_ms, "error": dict(error)}},
            "$currentDate": {"updated_at": True},
        },
        upsert=True,
    )


def take_trial(database: Sync, hold: Hold, until_ms: int) -> bool:
    """Be the one who tries a subject whose hold has run out; the others wait until then. False for all but one."""
    taken = {"since": hold.since, "until_ms": until_ms, "error": hold.error}
    result = database["holds"].update_one(
        {"_id": hold.subject, "hold.until_ms": hold.until_ms},
        {"$set": {"hold": taken}, "$currentDate": {"updated_at": True}},
    )
    return result.matched_count == 1


def lift(database: Sync, subject: str) -> None:
    """The subject works: its failures are forgotten, and so is its hold."""
    database["holds"].delete_one({"_id": subject})


def forget_old(database: Sync, before: datetime) -> int:
    """Drop the counts of subjects that have been in no use since."""
    return database["holds"].delete_many({"updated_at": {"$lte": before}}).deleted_count


def held_until_ms(hold: Hold | None, now: datetime) -> int | None:
    """Until when the subject is held; None where it is not, or where its time has come to be tried."""
    if hold is None or hold.until_ms is None or hold.until_ms <= milliseconds(now):
        return None
    return hold.until_ms

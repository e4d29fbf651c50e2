"""The answers given to requests that carried an Idempotency-Key, kept for a day."""

from dataclasses import dataclass
from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from app.core.database import Async, server_now
from app.core.errors import IdempotencyInProgressError, IdempotencyKeyReusedError

_ABANDONED_SECONDS = 60.0
"""After this long a request without an answer is taken for one whose server died."""


@dataclass(frozen=True)
class KeptAnswer:
    """An answer as it was given."""

    status: int
    content_type: str
    body: str


async def begin(database: Async, key: str, fingerprint: str) -> KeptAnswer | None:
    """Take the key for a request; the kept answer where the same request was served before.

    Raises `IdempotencyKeyReusedError` for another request under this key, `IdempotencyInProgressError` for one that
    is still being served.
    """
    now = await server_now(database)
    record = {"_id": key, "fingerprint": fingerprint, "answer": None, "created_at": now}
    abandoned = now - timedelta(seconds=_ABANDONED_SECONDS)
    await database["idempotency"].delete_one({"_id": key, "answer": {"$in": [None]}, "created_at": {"$lte": abandoned}})
    try:
        await database["idempotency"].insert_one(record)
    except DuplicateKeyError:
        return await _kept(database, key, fingerprint)
    return None


async def _kept(database: Async, key: str, fingerprint: str) -> KeptAnswer | None:
    record = await database["idempotency"].find_one({"_id": key})
    if record is None:
        raise IdempotencyInProgressError
    if record["fingerprint"] != fingerprint:
        raise IdempotencyKeyReusedError
    if record["answer"] is None:
        raise IdempotencyInProgressError
    return KeptAnswer(**record["answer"])


async def keep(database: Async, key: str, answer: KeptAnswer) -> None:
    kept = {"status": answer.status, "content_type": answer.content_type, "body": answer.body}
    await database["idempotency"].update_one({"_id": key}, {"$set": {"answer": kept}})


async def forget(database: Async, key: str) -> None:
    """Free the key: the request came to no answer worth keeping."""
    await database["idempotency"].delete_one({"_id": key})

"""Who calls, by key or by session: a session is what a browser holds instead of the key that opened it.

A session is worth what its key is worth: whoever looks one up looks the key up too, so a revoked key ends both at once.
"""

from dataclasses import dataclass
from datetime import datetime

from app.core.database import Async, Document, Sync, server_now
from app.core.security import hash_secret, new_token
from app.crud import crud_api_key
from app.models.media import milliseconds

_DAY_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is: the workspace, the key that opens it (none while none exists), and the browser's session."""

    workspace: str
    key_id: str | None = None
    key_name: str = ""
    session_id: str | None = None


def _caller_of(key: Document | None, session_id: str | None = None) -> Caller | None:
    return Caller(key["workspace"], key["_id"], key["name"], session_id) if key else None


async def caller_with_key(database: Async, key: str) -> Caller | None:
    """Whose key it is; None for one that is not ours."""
    return _caller_of(await crud_api_key.find_key(database, key))


async def caller_with_session(database: Async, token: str) -> Caller | None:
    """Whose session it is; None where it has ended, by its time or with its key."""
    session = await database["sessions"].find_one({"_id": hash_secret(token)})
    if session is None or session["expires_ms"] <= milliseconds(await server_now(database)):
        return None
    return _caller_of(await database["api_keys"].find_one({"_id": session["key_id"]}), session["_id"])


async def open_session(database: Async, caller: Caller, days: int) -> str:
    """A session of the caller's key, for so many days from now; its token, which can be read this once."""
    token = new_token()
    now = await server_now(database)
    await database["sessions"].insert_one(
        {
            "_id": hash_secret(token),
            "key_id": caller.key_id,
            "created_at": now,
            "expires_ms": milliseconds(now, days * _DAY_SECONDS),
        }
    )
    return token


async def end_session(database: Async, token: str) -> None:
    await database["sessions"].delete_one({"_id": hash_secret(token)})


def forget_expired(database: Sync, now: datetime) -> int:
    """Drop the sessions whose time is over."""
    return database["sessions"].delete_many({"expires_ms": {"$lte": milliseconds(now)}}).deleted_count


async def find_shut_out(database: Async, callers: set[Caller]) -> set[Caller]:
    """Those of these callers who would not be let in again."""
    now_ms = milliseconds(await server_now(database))
    keys = {key["_id"] async for key in database["api_keys"].find()}
    held = sorted(caller.session_id for caller in callers if caller.session_id)
    found = database["sessions"].find({"_id": {"$in": held}})
    sessions = {session["_id"] async for session in found if session["expires_ms"] > now_ms} if held else set()
    welcome = {
        caller
        for caller in callers
        if (caller.key_id in keys if caller.key_id else not keys)
        and (caller.session_id is None or caller.session_id in sessions)
    }
    return callers - welcome

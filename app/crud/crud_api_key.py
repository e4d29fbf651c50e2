"""API keys, by their hash."""

from app.core.database import Async, Document, Sync, server_now_sync
from app.core.security import hash_secret, new_key


def create_key(database: Sync, name: str, workspace: str) -> str:
    """A new key for the workspace; this is the only time that it can be read."""
    key = new_key()
    database["api_keys"].insert_one(
        {"_id": hash_secret(key), "name": name, "workspace": workspace, "created_at": server_now_sync(database)}
    )
    return key


def list_keys(database: Sync) -> list[Document]:
    return list(database["api_keys"].find().sort("created_at"))


def revoke_key(database: Sync, name: str) -> int:
    """Remove every key of that name, with the sessions that it opened; how many there were."""
    named = [key["_id"] for key in database["api_keys"].find({"name": name})]
    removed = database["api_keys"].delete_many({"_id": {"$in": named}}).deleted_count
    database["sessions"].delete_many({"key_id": {"$in": named}})
    return removed


def any_key_sync(database: Sync) -> bool:
    return database["api_keys"].find_one() is not None


async def any_key(database: Async) -> bool:
    return await database["api_keys"].find_one() is not None


async def find_key(database: Async, key: str) -> Document | None:
    """The document of a key; None for one that is not ours."""
    return await database["api_keys"].find_one({"_id": hash_secret(key)})

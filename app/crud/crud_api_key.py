"""API keys, by their hash."""

from app.core.database import Async, Document, Sync, server_now_sync
from app.core.security import hash_key, new_key


def create_key(database: Sync, name: str, workspace: str) -> str:
    """A new key for the workspace; this is the only time that it can be read."""
    key = new_key()
    database["api_keys"].insert_one(
        {"_id": hash_key(key), "name": name, "workspace": workspace, "created_at": server_now_sync(database)}
    )
    return key


def list_keys(database: Sync) -> list[Document]:
    return list(database["api_keys"].find().sort("created_at"))


def revoke_key(database: Sync, name: str) -> int:
    """Remove every key of that name; how many there were."""
    return database["api_keys"].delete_many({"name": name}).deleted_count


def any_key_sync(database: Sync) -> bool:
    return database["api_keys"].find_one() is not None


async def any_key(database: Async) -> bool:
    return await database["api_keys"].find_one() is not None


async def workspace_of_key(database: Async, key: str) -> str | None:
    """The workspace that the key opens; None for a key that is not ours."""
    document = await database["api_keys"].find_one({"_id": hash_key(key)})
    return document["workspace"] if document else None

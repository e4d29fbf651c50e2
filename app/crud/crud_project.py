"""Projects: their queries and edits, and the intent to delete one with its scenes."""

from pymongo import DESCENDING
from uuid_utils import uuid7

from app.core.database import Async, Document, Sync, server_now
from app.core.errors import ProjectNotFoundError
from app.crud.crud_scene import ALIVE, edit


async def create_project(database: Async, workspace: str, title: str) -> Document:
    now = await server_now(database)
    document: Document = {
        "_id": str(uuid7()),
        "workspace": workspace,
        "title": title,
        "version": 1,
        "deletion": None,
        "created_at": now,
        "updated_at": now,
    }
    await database["projects"].insert_one(document)
    return document


async def get_project(database: Async, workspace: str, project_id: str) -> Document:
    """The project's document. Raises `ProjectNotFoundError`."""
    document = await database["projects"].find_one({"_id": project_id, "workspace": workspace, **ALIVE})
    if document is None:
        raise ProjectNotFoundError
    return document


async def list_projects(database: Async, workspace: str, limit: int, before: str | None) -> list[Document]:
    """At most `limit` projects, newest first, older than the id `before`."""
    wanted: Document = {"workspace": workspace, **ALIVE}
    if before is not None:
        wanted["_id"] = {"$lt": before}
    return await database["projects"].find(wanted).sort([("_id", DESCENDING)]).limit(limit).to_list()


async def rename_project(database: Async, workspace: str, project_id: str, title: str) -> Document:
    """Raises `ProjectNotFoundError`."""
    await database["projects"].update_one({"_id": project_id, "workspace": workspace, **ALIVE}, edit({"title": title}))
    return await get_project(database, workspace, project_id)


async def mark_project_deleted(database: Async, workspace: str, project_id: str) -> None:
    """Write the intent to delete: the project first, so that a crash leaves something to finish from.

    Writing it again changes nothing. Raises `ProjectNotFoundError` where there is no such project (any more).
    """
    mine = {"_id": project_id, "workspace": workspace}
    deletion = edit({"deletion": {"at": await server_now(database)}})
    if (await database["projects"].update_one({**mine, **ALIVE}, deletion)).matched_count:
        await database["scenes"].update_many({"project_id": project_id, **ALIVE}, deletion)
    elif await database["projects"].find_one(mine) is None:
        raise ProjectNotFoundError


def finish_project_deletions(database: Sync) -> int:
    """Mark the scenes of deleted projects, and remove each project whose last scene is gone; how many were removed."""
    removed = 0
    for project in database["projects"].find({"deletion": {"$ne": None}}):
        database["scenes"].update_many({"project_id": project["_id"], **ALIVE}, edit({"deletion": project["deletion"]}))
        if database["scenes"].find_one({"project_id": project["_id"]}) is None:
            removed += database["projects"].delete_one({"_id": project["_id"]}).deleted_count
    return removed

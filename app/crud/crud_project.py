"""Projects: their queries and edits, and deleting one with its scenes."""

from pymongo import DESCENDING, ReturnDocument
from uuid_utils import uuid7

from app.core.config import Settings
from app.core.database import Async, Document, Sync, server_now, server_now_sync
from app.core.errors import EditConflictError, NotRestorableError, ProjectNotFoundError
from app.crud.crud_deletion import deletion_at, take_back
from app.crud.crud_scene import ALIVE, edit
from app.models.media import ACTIVE, milliseconds

_AFTER_ITS_PROJECT_MS = 24 * 3600 * 1000
"""A scene that was deleted with its project goes when the project's deletion is final, which sets its time anew."""


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


async def rename_project(
    database: Async, workspace: str, project_id: str, title: str, unchanged_since: int | None
) -> Document:
    """Raises `ProjectNotFoundError`, or `EditConflictError` where it was renamed after the version it names."""
    wanted: Document = {"_id": project_id, "workspace": workspace, **ALIVE}
    if unchanged_since is not None:
        wanted["version"] = {"$lte": unchanged_since}
    renamed = await database["projects"].find_one_and_update(
        wanted, edit({"title": title}), return_document=ReturnDocument.AFTER
    )
    if renamed is None:
        await get_project(database, workspace, project_id)
        raise EditConflictError
    return renamed


async def mark_project_deleted(database: Async, settings: Settings, workspace: str, project_id: str) -> Document:
    """Write the intent to delete, once: the project first, so that a crash leaves something to finish from.

    Returns the deletion. Raises `ProjectNotFoundError` where there is no such project (any more).
    """
    mine = {"_id": project_id, "workspace": workspace}
    await database["projects"].update_one(
        {**mine, **ALIVE}, edit(deletion_at(await server_now(database), settings, with_project=True))
    )
    project = await database["projects"].find_one(mine)
    if project is None or not project["deletion"]:
        raise ProjectNotFoundError
    deletion: Document = project["deletion"]
    waiting = {**deletion, "purge_ms": deletion["purge_ms"] + _AFTER_ITS_PROJECT_MS}
    await database["scenes"].update_many({"project_id": project_id, **ALIVE}, edit({"deletion": waiting}))
    return deletion


async def restore_project(database: Async, settings: Settings, workspace: str, project_id: str) -> list[Document]:
    """Take a project's deletion back, and those of the scenes that went with it; the scenes that were queued anew.

    The scenes come first: after a crash in between, the project is still deleted, and can be restored again.
    Raises `ProjectNotFoundError`, or `NotRestorableError` where the time for it is over.
    """
    project = await database["projects"].find_one({"_id": project_id, "workspace": workspace})
    if project is None:
        raise ProjectNotFoundError
    deletion = project["deletion"]
    if not deletion:
        return []
    if deletion["final"] or deletion["purge_ms"] <= milliseconds(await server_now(database)):
        raise NotRestorableError
    with_it: Document = {"project_id": project_id, "deletion.with_project": True, "deletion.final": False}
    running = database["scenes"].find({**with_it, "media.status": {"$in": sorted(ACTIVE)}}, {"_id": 1})
    queued = [(await take_back(database, settings, workspace, scene["_id"]))[0] for scene in await running.to_list()]
    await database["scenes"].update_many(with_it, edit({"deletion": None}))
    in_time = {"_id": project_id, "deletion.final": False}
    if not (await database["projects"].update_one(in_time, edit({"deletion": None}))).matched_count:
        await get_project(database, workspace, project_id)  # where somebody else has just restored it
    return queued


def finish_project_deletions(database: Sync) -> int:
    """Make due deletions final, have their scenes go, and remove each project whose last scene is gone; how many.

    Only a project that nobody can restore any more takes its scenes along: it goes whole, or not at all.
    """
    removed = 0
    now_ms = milliseconds(server_now_sync(database))
    for project in database["projects"].find({"deletion.purge_ms": {"$lte": now_ms}}):
        if not _is_final(database, project):
            continue
        its: Document = {"project_id": project["_id"]}
        going = edit({"deletion": project["deletion"]})
        database["scenes"].update_many({**its, **ALIVE}, going)
        database["scenes"].update_many(
            {**its, "deletion.with_project": True, "deletion.purge_ms": {"$gt": now_ms}}, going
        )
        if database["scenes"].find_one(its) is None:
            final = {"_id": project["_id"], "deletion.final": True}
            removed += database["projects"].delete_one(final).deleted_count
    return removed


def _is_final(database: Sync, project: Document) -> bool:
    """From here on nobody can restore the project; False where somebody just did."""
    deletion = project["deletion"]
    if deletion["final"]:
        return True
    unchanged = {"_id": project["_id"], "deletion.purge_ms": deletion["purge_ms"], "deletion.final": False}
    final = edit({"deletion": {**deletion, "final": True}})
    return database["projects"].update_one(unchanged, final).matched_count == 1

"""Deleting scenes: an intent first, which can be taken back for a while; then the files; the document last."""

from collections.abc import Iterator
from datetime import datetime

from pymongo import ASCENDING, ReturnDocument

from app.core.config import Settings
from app.core.database import Async, Document, Sync, server_now
from app.core.errors import NotRestorableError, ProjectNotFoundError, SceneBusyError, SceneNotFoundError
from app.crud.crud_media import run_again
from app.crud.crud_scene import ALIVE, CAS_TRIES, edit
from app.models.media import ACTIVE, milliseconds


def deletion_at(now: datetime, settings: Settings, *, with_project: bool = False) -> Document:
    """The intent: gone for every reader at once, and for good from `purge_ms` on."""
    purge_ms = milliseconds(now, settings.takeup_trash_seconds)
    return {"deletion": {"at": now, "purge_ms": purge_ms, "with_project": with_project, "final": False}}


async def mark_deleted(database: Async, settings: Settings, workspace: str, scene_id: str) -> Document:
    """Write the intent to delete, once; the scene, with its deletion as it stands.

    Raises `SceneNotFoundError` where there is no such scene (any more), or its whole project is deleted.
    """
    mine = {"_id": scene_id, "workspace": workspace}
    deletion = deletion_at(await server_now(database), settings)
    await database["scenes"].update_one({**mine, **ALIVE}, edit(deletion))
    scene = await database["scenes"].find_one(mine)
    if scene is None or not scene["deletion"] or scene["deletion"]["with_project"]:
        raise SceneNotFoundError
    return scene


async def restore_scene(database: Async, settings: Settings, workspace: str, scene_id: str) -> tuple[Document, bool]:
    """Take a deletion back; the scene, and whether its media was queued anew.

    Raises `SceneNotFoundError`, `ProjectNotFoundError` where its whole project is deleted, or `NotRestorableError`
    where the time for it is over.
    """
    scene = await database["scenes"].find_one({"_id": scene_id, "workspace": workspace})
    if scene is None:
        raise SceneNotFoundError
    if await database["projects"].find_one({"_id": scene["project_id"], **ALIVE}) is None:
        raise ProjectNotFoundError
    return await take_back(database, settings, workspace, scene_id)


async def take_back(database: Async, settings: Settings, workspace: str, scene_id: str) -> tuple[Document, bool]:
    """The same, whatever became of the project. What a worker was at starts over, because the worker has stopped.

    A scene that is not deleted is left as it is.
    """
    for _ in range(CAS_TRIES):
        scene = await database["scenes"].find_one({"_id": scene_id, "workspace": workspace})
        if scene is None:
            raise SceneNotFoundError
        deletion = scene["deletion"]
        if not deletion:
            return scene, False
        now = await server_now(database)
        if deletion["final"] or deletion["purge_ms"] <= milliseconds(now):
            raise NotRestorableError
        media = scene["media"]
        running = media is not None and media["status"] in ACTIVE
        anew = run_again(scene, settings, now) if running else {}
        after = await database["scenes"].find_one_and_update(
            {"_id": scene_id, "version": scene["version"], "deletion.final": False},
            edit({"deletion": None, **anew}),
            return_document=ReturnDocument.AFTER,
        )
        if after is not None:
            return after, running
    raise SceneBusyError


def due_deletions(database: Sync, now: datetime, limit: int) -> Iterator[Document]:
    """Scenes whose deletion can no longer be taken back, longest deleted first."""
    due = {"deletion.purge_ms": {"$lte": milliseconds(now)}}
    return iter(database["scenes"].find(due).sort([("deletion.purge_ms", ASCENDING)]).limit(limit))


def make_final(database: Sync, scene: Document) -> bool:
    """From here on nobody can restore the scene, and its files may go; False where somebody just did."""
    final = {**scene["deletion"], "final": True}
    result = database["scenes"].update_one(
        {"_id": scene["_id"], "deletion.purge_ms": scene["deletion"]["purge_ms"]}, edit({"deletion": final})
    )
    return result.matched_count == 1


def remove_scene(database: Sync, scene_id: str) -> None:
    """The last step of a deletion: nothing is left under the scene's prefix."""
    database["scenes"].delete_one({"_id": scene_id, "deletion.final": True})

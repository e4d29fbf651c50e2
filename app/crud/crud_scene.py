"""Scenes: their queries, their edits, and the changes of state that a request asks for.

Filters and updates are built by pure functions that the async (API) and the sync (worker) side share.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pymongo import ASCENDING, ReturnDocument

from app.core.database import Async, Document, Sync, server_now
from app.core.errors import NoMediaError, NotCancelableError, NotRetryableError, SceneNotFoundError
from app.models.media import IN_FLIGHT, TERMINAL, Status, blank_run, new_media, sources_of

_NOTHING: Document = {"$in": [None]}
"""Null or missing. A plain `None` says the same, but beside other conditions the embedded database then finds nothing
(docs/decisions/0002-what-the-embedded-database-needs.md)."""

ALIVE: Document = {"deletion": _NOTHING}
"""A deleted scene matches nothing that the API or a worker asks for."""

SWEEP_DELAY_SECONDS = 300.0
"""After this long no write of a worker that lost its lease is under way: longer than a lease (at most 120 s) and all
tries of one request to the bucket. What it left is swept then."""

_CAS_TRIES = 10


def edit(fields: Mapping[str, Any]) -> Document:
    """The update that sets these fields and counts the version up."""
    return {"$set": dict(fields), "$inc": {"version": 1}, "$currentDate": {"updated_at": True}}


def state_change(target: Status, media: Mapping[str, Any]) -> Document:
    """The update that brings the media to `target` and sets these fields of it."""
    update = edit({"media.status": target, **{f"media.{name}": value for name, value in media.items()}})
    update["$currentDate"]["media.status_at"] = True
    return update


def update_scene_status_sync(
    database: Sync, fence: Mapping[str, Any], target: Status, media: Mapping[str, Any] | None = None
) -> bool:
    """The worker's status write: under its fence, and only along an allowed transition. False if it matches nothing."""
    allowed = {**fence, "media.status": {"$in": sources_of(target)}}
    return database["scenes"].update_one(allowed, state_change(target, media or {})).matched_count == 1


def find_scene_sync(database: Sync, scene_id: str) -> Document | None:
    """The document as it stands, deleted or not."""
    return database["scenes"].find_one({"_id": scene_id})


async def get_scene(database: Async, workspace: str, scene_id: str) -> Document:
    """The scene's document. Raises `SceneNotFoundError`."""
    document = await database["scenes"].find_one({"_id": scene_id, "workspace": workspace, **ALIVE})
    if document is None:
        raise SceneNotFoundError
    return document


async def list_scenes(database: Async, project_id: str) -> list[Document]:
    """The project's scenes, in order."""
    order = [("position", ASCENDING), ("_id", ASCENDING)]
    return await database["scenes"].find({"project_id": project_id, **ALIVE}).sort(order).to_list()


async def list_versions(database: Async, project_id: str) -> dict[str, int]:
    """The version of each of the project's scenes, by id."""
    cursor = database["scenes"].find({"project_id": project_id, **ALIVE}, {"version": 1})
    return {document["_id"]: document["version"] async for document in cursor}


async def failed_scenes(database: Async, project_id: str, codes: Sequence[str] | None) -> list[str]:
    """The ids of the project's failed scenes, or of those that failed with one of these codes."""
    wanted: Document = {"project_id": project_id, **ALIVE, "media.status": Status.FAILED}
    if codes is not None:
        wanted["media.error.code"] = {"$in": list(codes)}
    return [document["_id"] async for document in database["scenes"].find(wanted, {"_id": 1})]


async def find_scenes(database: Async, scene_ids: Sequence[str]) -> list[Document]:
    """These scenes, as far as they are there."""
    return await database["scenes"].find({"_id": {"$in": list(scene_ids)}, **ALIVE}).to_list() if scene_ids else []


async def set_text(database: Async, scene_id: str, text: str) -> None:
    await database["scenes"].update_one({"_id": scene_id, **ALIVE}, edit({"text": text}))


async def set_link(database: Async, workspace: str, scene_id: str, link: str | None, max_attempts: int) -> bool:
    """Give the scene another link (or none), not stored yet; False where it has that link already."""

    def change(document: Document) -> Document | None:
        media = document["media"]
        if (media["source_url"] if media else None) == link:
            return None
        generation = _next_generation(document)
        return {**new_media(link, max_attempts), "generation": generation, "requested_at": None} if link else {}

    _, changed = await _replace_media(database, workspace, scene_id, change)
    return changed


async def request_storage(
    database: Async,
    workspace: str,
    scene_id: str,
    *,
    project_id: str | None = None,
    link: str | None = None,
    force: bool = False,
    max_attempts: int,
) -> tuple[Document, bool]:
    """Queue the scene's media under a new generation, unless that link is on its way or stored already.

    Returns the document and whether anything was queued.
    Raises `SceneNotFoundError`, or `NoMediaError` where there is no link to store.
    """

    def change(document: Document) -> Document | None:
        if project_id is not None and document["project_id"] != project_id:
            raise SceneNotFoundError
        media = document["media"]
        wanted = link or (media and media["source_url"])
        if not wanted:
            raise NoMediaError
        same = media is not None and media["source_url"] == wanted
        if same and not force and media["status"] in IN_FLIGHT | {Status.READY}:
            return None
        return _queued(wanted, _next_generation(document), max_attempts)

    return await _replace_media(database, workspace, scene_id, change)


def _next_generation(document: Document) -> int:
    """One more than any the scene has had, even where its link was taken away in between."""
    media = document["media"]
    return int(media["generation"] if media else document.get("last_generation", 0)) + 1


def _queued(link: str, generation: int, max_attempts: int) -> Document:
    return {
        "source_url": link,
        "generation": generation,
        "status": Status.QUEUED,
        **blank_run(max_attempts),
    }


async def retry(database: Async, workspace: str, scene_id: str, max_attempts: int) -> tuple[Document, bool]:
    """Queue media that failed, was canceled or waits for its next try; what runs already is left alone.

    Raises `NotRetryableError` for stored media, `NoMediaError` where there is none.
    """

    def change(document: Document) -> Document | None:
        media = document["media"]
        if media is None:
            raise NoMediaError
        if media["status"] == Status.READY:
            raise NotRetryableError
        if media["status"] in IN_FLIGHT - {Status.RETRYING}:
            return None
        return _queued(media["source_url"], _next_generation(document), max_attempts)

    return await _replace_media(database, workspace, scene_id, change)


async def _replace_media(
    database: Async, workspace: str, scene_id: str, change: Callable[[Document], Document | None]
) -> tuple[Document, bool]:
    """Replace the scene's media by what `change(document)` makes of it, if no other generation came between.

    `change` returns the new media, {} for none at all, or None to leave the scene as it is.
    """
    for _ in range(_CAS_TRIES):
        document = await get_scene(database, workspace, scene_id)
        media = change(document)
        if media is None:
            return document, False
        now = await server_now(database)
        if media:
            media["status_at"] = now
            media.setdefault("requested_at", now)
        old = document["media"]
        unchanged: Document = (
            {"media.generation": old["generation"], "media.status": old["status"]}
            if old
            else {"media": _NOTHING, "version": document["version"]}
        )
        left_over: Document = {"last_generation": old["generation"]} if old else {}
        if old and old["generation"] > 0:  # a worker may have been at it
            left_over |= _sweep_at(now)
        update = edit({"media": media or None, **left_over})
        after = await database["scenes"].find_one_and_update(
            {"_id": scene_id, **ALIVE, **unchanged}, update, return_document=ReturnDocument.AFTER
        )
        if after is not None:
            return after, True
    raise SceneNotFoundError


def _sweep_at(now: Any) -> Document:
    return {"sweep": {"at": now + timedelta(seconds=SWEEP_DELAY_SECONDS)}}


async def retry_failed(
    database: Async, workspace: str, project_id: str, codes: Sequence[str] | None, max_attempts: int
) -> list[Document]:
    """Queue the project's failed scenes again, or those that failed with one of these codes; the queued ones."""
    queued = []
    for scene_id in await failed_scenes(database, project_id, codes):
        try:
            scene, changed = await retry(database, workspace, scene_id, max_attempts)
        except (SceneNotFoundError, NoMediaError, NotRetryableError):  # somebody was faster
            continue
        if changed:
            queued.append(scene)
    return queued


async def cancel(database: Async, workspace: str, scene_id: str) -> tuple[Document, bool]:
    """Stop what is on its way; canceled media stays canceled. Raises `NotCancelableError` or `NoMediaError`."""
    for _ in range(_CAS_TRIES):
        document = await get_scene(database, workspace, scene_id)
        media = document["media"]
        if media is None:
            raise NoMediaError
        if media["status"] == Status.CANCELED:
            return document, False
        if media["status"] in TERMINAL | {Status.PENDING}:
            raise NotCancelableError
        update = state_change(Status.CANCELED, {"lease": None, "next_attempt": None, "progress": None})
        update["$set"].update(_sweep_at(await server_now(database)))
        after = await database["scenes"].find_one_and_update(
            {
                "_id": scene_id,
                **ALIVE,
                "media.generation": media["generation"],
                "media.status": {"$in": sources_of(Status.CANCELED)},
            },
            update,
            return_document=ReturnDocument.AFTER,
        )
        if after is not None:
            return after, True
    raise NotCancelableError


async def mark_deleted(database: Async, workspace: str, scene_id: str) -> bool:
    """Write the intent to delete: the scene is gone for every reader, and a worker removes the rest.

    False where that was written before. Raises `SceneNotFoundError` where there is no such scene (any more).
    """
    mine = {"_id": scene_id, "workspace": workspace}
    deletion = edit({"deletion": {"at": await server_now(database)}})
    if (await database["scenes"].update_one({**mine, **ALIVE}, deletion)).matched_count:
        return True
    if await database["scenes"].find_one(mine) is None:
        raise SceneNotFoundError
    return False

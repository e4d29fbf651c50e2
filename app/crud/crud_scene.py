"""Scenes: their queries, the one door for changes of state, and what a person edits.

Filters and updates are built by pure functions that the async (API) and the sync (worker) side share.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, ReturnDocument

from app.core.database import Async, Document, Sync, server_now
from app.core.errors import EditConflictError, SceneBusyError, SceneNotFoundError
from app.models.media import IN_FLIGHT, Status, milliseconds, sources_of

NOTHING: Document = {"$in": [None]}
"""Null or missing. A plain `None` says the same, but beside other conditions the embedded database then finds nothing
(docs/decisions/0002-what-the-embedded-database-needs.md)."""

ALIVE: Document = {"deletion": NOTHING}
"""A deleted scene matches nothing that the API or a worker asks for."""

SWEEP_DELAY_SECONDS = 300.0
"""After this long no write of a worker that lost its lease is under way: longer than a lease (at most 120 s) and all
tries of one request to the bucket. What it left is swept then."""

CAS_TRIES = 20
"""How often a write that depends on what was read is begun again when others were faster."""


def edit(fields: Mapping[str, Any]) -> Document:
    """The update that sets these fields and counts the version up."""
    return {"$set": dict(fields), "$inc": {"version": 1}, "$currentDate": {"updated_at": True}}


def state_change(
    target: Status,
    media: Mapping[str, Any],
    *,
    among: Iterable[Status] = tuple(Status),
    due_ms: int | None = None,
) -> tuple[Document, Document]:
    """The condition and the update of a change to `target`, along `TRANSITIONS` alone. Every write of a state is one.

    `media` are further fields of it, `among` narrows the states it may come from, and `due_ms` is when the reconciler
    looks at it, if somebody must.
    """
    update = edit(
        {"media.status": target, "media.due_ms": due_ms, **{f"media.{name}": value for name, value in media.items()}}
    )
    update["$currentDate"]["media.status_at"] = True
    return {"media.status": {"$in": sources_of(target, among)}}, update


def update_scene_status_sync(
    database: Sync,
    fence: Mapping[str, Any],
    target: Status,
    media: Mapping[str, Any] | None = None,
    *,
    among: Iterable[Status] = tuple(Status),
    due_ms: int | None = None,
) -> bool:
    """The worker's status write: under its fence, and only along an allowed transition. False if it matches nothing."""
    condition, update = state_change(target, media or {}, among=among, due_ms=due_ms)
    return database["scenes"].update_one({**fence, **condition}, update).matched_count == 1


def find_scene_sync(database: Sync, scene_id: str) -> Document | None:
    """The document as it stands, deleted or not."""
    return database["scenes"].find_one({"_id": scene_id})


def is_in_flight(database: Sync, scene_id: str, generation: int) -> bool:
    """Whether this generation of the scene's media is still on its way."""
    scene = find_scene_sync(database, scene_id)
    media = scene["media"] if scene and not scene["deletion"] else None
    return media is not None and media["generation"] == generation and media["status"] in IN_FLIGHT


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


async def list_media(database: Async, project_id: str) -> list[Document]:
    """Of each of the project's scenes, in order, its id and its media alone."""
    order = [("position", ASCENDING), ("_id", ASCENDING)]
    return await database["scenes"].find({"project_id": project_id, **ALIVE}, {"media": 1}).sort(order).to_list()


async def find_scenes(database: Async, scene_ids: Sequence[str]) -> list[Document]:
    """These scenes, as far as they are there."""
    return await database["scenes"].find({"_id": {"$in": list(scene_ids)}, **ALIVE}).to_list() if scene_ids else []


def sweep_note(now: datetime) -> Document:
    """The field that has the scene's prefix swept once no lost worker can be writing there any more."""
    return {"sweep": {"at_ms": milliseconds(now, SWEEP_DELAY_SECONDS)}}


Change = Callable[[Document, datetime], Awaitable[Document | None]]
"""From a scene's document and the server's time to the fields to set; None leaves the scene as it is."""


async def change_scene(
    database: Async,
    workspace: str,
    scene_id: str,
    change: Change,
    *,
    by_hand: bool = False,
    unchanged_since: int | None = None,
) -> tuple[Document, bool]:
    """Write what `change` makes of the scene as it stands, and begin again if anybody else wrote in between.

    Returns the document and whether anything was written. A change `by_hand` (text, link, place) is remembered by its
    version, and refused with `EditConflictError` where another one came after the version `unchanged_since`: progress,
    which counts the version up too, is in nobody's way. Raises `SceneNotFoundError`, or `SceneBusyError` where others
    were faster each time.
    """
    for _ in range(CAS_TRIES):
        document = await get_scene(database, workspace, scene_id)
        if unchanged_since is not None and document.get("edited_version", 1) > unchanged_since:
            raise EditConflictError
        fields = await change(document, await server_now(database))
        if fields is None:
            return document, False
        edited = {"edited_version": document["version"] + 1} if by_hand else {}
        after = await database["scenes"].find_one_and_update(
            {"_id": scene_id, **ALIVE, "version": document["version"]},
            edit({**fields, **edited}),
            return_document=ReturnDocument.AFTER,
        )
        if after is not None:
            return after, True
    raise SceneBusyError

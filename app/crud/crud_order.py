"""Where scenes stand in their project. A scene's position is an order key: moving it rewrites that scene alone."""

from collections.abc import Sequence

from fractional_indexing import generate_key_between, generate_n_keys_between
from pymongo import ASCENDING
from uuid_utils import uuid7

from app.core.database import Async, Document, server_now
from app.core.errors import SceneNotFoundError
from app.crud.crud_scene import ALIVE, edit, get_scene
from app.models.media import new_media


async def create_scenes(
    database: Async,
    workspace: str,
    project_id: str,
    contents: Sequence[tuple[str, str | None]],
    *,
    max_attempts: int,
    after: str | None = None,
    at_end: bool = True,
) -> list[Document]:
    """Insert one scene per (text, link), in order: at the end, or behind the scene `after` (None: first)."""
    lower, upper = await _gap(database, project_id, after, at_end=at_end)
    now = await server_now(database)
    documents: list[Document] = [
        {
            "_id": str(uuid7()),
            "project_id": project_id,
            "workspace": workspace,
            "position": position,
            "text": text,
            "version": 1,
            "media": {**new_media(link, max_attempts), "status_at": now, "requested_at": None} if link else None,
            "deletion": None,
            "created_at": now,
            "updated_at": now,
        }
        for position, (text, link) in zip(generate_n_keys_between(lower, upper, len(contents)), contents, strict=True)
    ]
    if documents:
        await database["scenes"].insert_many(documents)
    return documents


async def _gap(database: Async, project_id: str, after: str | None, *, at_end: bool) -> tuple[str | None, str | None]:
    """The positions between which new ones go. Raises `SceneNotFoundError` for an unknown `after`."""
    scenes = database["scenes"]
    if at_end:
        last = await scenes.find_one({"project_id": project_id}, sort=[("position", -1)])
        return (last["position"] if last else None), None
    lower = None
    if after is not None:
        anchor = await scenes.find_one({"_id": after, "project_id": project_id, **ALIVE})
        if anchor is None:
            raise SceneNotFoundError
        lower = anchor["position"]
    behind = {"project_id": project_id, **({"position": {"$gt": lower}} if lower else {})}
    following = await scenes.find_one(behind, sort=[("position", ASCENDING)])
    return lower, following["position"] if following else None


async def move_scene(database: Async, workspace: str, scene_id: str, after: str | None) -> None:
    """Put the scene behind `after` (None: first) by rewriting its own position alone."""
    scene = await get_scene(database, workspace, scene_id)
    if after == scene_id:
        return
    lower, upper = await _gap(database, scene["project_id"], after, at_end=False)
    await database["scenes"].update_one(
        {"_id": scene_id, **ALIVE}, edit({"position": generate_key_between(lower, upper)})
    )

"""Where scenes stand in their project. A scene's position is an order key: moving it rewrites that scene alone."""

from collections.abc import Sequence
from datetime import datetime

from fractional_indexing import generate_key_between, generate_n_keys_between
from pymongo import ASCENDING
from uuid_utils import uuid7

from app.core.config import Settings
from app.core.database import Async, Document, server_now
from app.core.errors import SceneNotFoundError
from app.crud.crud_scene import ALIVE
from app.models.media import Status, new_run


async def create_scenes(
    database: Async,
    workspace: str,
    project_id: str,
    contents: Sequence[tuple[str, str | None]],
    *,
    settings: Settings,
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
            "media": _pending(link, settings, now) if link else None,
            "deletion": None,
            "created_at": now,
            "updated_at": now,
        }
        for position, (text, link) in zip(generate_n_keys_between(lower, upper, len(contents)), contents, strict=True)
    ]
    if documents:
        await database["scenes"].insert_many(documents)
    return documents


def _pending(link: str, settings: Settings, now: datetime) -> Document:
    return new_run(
        link,
        0,
        Status.PENDING,
        now=now,
        wait_seconds=settings.takeup_pending_grace_seconds,
        max_attempts=settings.takeup_max_attempts,
    )


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


async def position_after(database: Async, scene: Document, after: str | None) -> str:
    """The position that puts the scene behind `after` (None: first). Raises `SceneNotFoundError`."""
    if after == scene["_id"]:
        return str(scene["position"])
    lower, upper = await _gap(database, scene["project_id"], after, at_end=False)
    return str(generate_key_between(lower, upper))

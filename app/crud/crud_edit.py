"""What a person edits of a scene: its text, its link, its place."""

from collections.abc import Mapping
from datetime import datetime

from app.core.config import Settings
from app.core.database import Async, Document
from app.crud.crud_media import with_link
from app.crud.crud_order import position_after
from app.crud.crud_scene import change_scene


async def edit_scene(
    database: Async,
    settings: Settings,
    workspace: str,
    scene_id: str,
    edits: Mapping[str, str | None],
    *,
    unchanged_since: int | None = None,
) -> tuple[Document, bool]:
    """Make these edits in one write; the scene, and whether its link changed.

    `text`, `source_url` (null: none) and `after` (a scene's id; null: first) may be named; what is not named stays.
    Raises `SceneNotFoundError`, also for an unknown `after`, and `EditConflictError` where somebody else has edited
    the scene after the version `unchanged_since`.
    """
    relinked = False

    async def change(document: Document, now: datetime) -> Document | None:
        nonlocal relinked
        fields: Document = {}
        if edits.get("text") is not None:
            fields["text"] = edits["text"]
        if "after" in edits:
            fields["position"] = await position_after(database, document, edits["after"])
        link = with_link(document, edits["source_url"], settings, now) if "source_url" in edits else {}
        relinked = bool(link)
        return {**fields, **link} or None

    scene, changed = await change_scene(
        database, workspace, scene_id, change, by_hand=True, unchanged_since=unchanged_since
    )
    return scene, changed and relinked

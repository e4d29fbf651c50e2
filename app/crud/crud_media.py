"""What people ask of a scene's media: store it, try it again, cancel it, give it another link."""

from collections.abc import Sequence
from datetime import datetime

from app.core.config import Settings
from app.core.database import Async, Document
from app.core.errors import (
    NoMediaError,
    NotCancelableError,
    NotRetryableError,
    SceneBusyError,
    SceneNotFoundError,
)
from app.crud.crud_scene import ALIVE, change_scene, sweep_note
from app.models.media import ACTIVE, IN_FLIGHT, Status, new_run, sources_of

_TRIED_AGAIN = frozenset({Status.PENDING, Status.FAILED, Status.CANCELED, Status.RETRYING})


async def request_storage(
    database: Async,
    settings: Settings,
    workspace: str,
    scene_id: str,
    *,
    project_id: str | None = None,
    link: str | None = None,
    max_height: int | None = None,
    force: bool = False,
) -> tuple[Document, bool]:
    """Queue the scene's media under a new generation, unless that link is on its way or stored already.

    With another cap on the height it is another request, without any it is not.

    Returns the document and whether anything was queued.
    Raises `SceneNotFoundError`, or `NoMediaError` where there is no link to store.
    """

    async def change(document: Document, now: datetime) -> Document | None:
        if project_id is not None and document["project_id"] != project_id:
            raise SceneNotFoundError
        media = document["media"]
        wanted = link or (media and media["source_url"])
        if not wanted:
            raise NoMediaError
        same = media is not None and media["source_url"] == wanted
        served = same and _serves(media, max_height, settings)
        if served and not force and media["status"] in IN_FLIGHT | {Status.READY}:
            return None
        edited = {} if same else {"edited_version": document["version"] + 1}
        return {**start_over(document, Status.QUEUED, wanted, settings, now, max_height=max_height), **edited}

    return await change_scene(database, workspace, scene_id, change)


async def retry(database: Async, settings: Settings, workspace: str, scene_id: str) -> tuple[Document, bool]:
    """Queue media that failed, was canceled or waits; what runs already is left alone.

    Raises `NotRetryableError` for stored media, `NoMediaError` where there is none.
    """

    async def change(document: Document, now: datetime) -> Document | None:
        media = document["media"]
        if media is None:
            raise NoMediaError
        if media["status"] in ACTIVE | {Status.QUEUED}:
            return None
        if media["status"] not in sources_of(Status.QUEUED, _TRIED_AGAIN):
            raise NotRetryableError
        return run_again(document, settings, now)

    return await change_scene(database, workspace, scene_id, change)


async def retry_failed(
    database: Async,
    settings: Settings,
    workspace: str,
    codes: Sequence[str] | None,
    *,
    project_id: str | None = None,
    limit: int | None = None,
) -> list[Document]:
    """Queue failed scenes again (of one project, with one of these codes, so many at most); the queued ones."""
    wanted: Document = {"workspace": workspace, **ALIVE, "media.status": Status.FAILED}
    if project_id is not None:
        wanted["project_id"] = project_id
    if codes is not None:
        wanted["media.error.code"] = {"$in": list(codes)}
    failed = database["scenes"].find(wanted, {"_id": 1})
    if limit is not None:
        failed = failed.limit(limit)
    queued = []
    for scene_id in [document["_id"] async for document in failed]:
        try:
            scene, changed = await retry(database, settings, workspace, scene_id)
        except (SceneNotFoundError, NoMediaError, NotRetryableError, SceneBusyError):  # somebody was faster
            continue
        if changed:
            queued.append(scene)
    return queued


async def cancel(database: Async, workspace: str, scene_id: str) -> tuple[Document, bool]:
    """Stop what is on its way; canceled media stays canceled. Raises `NotCancelableError` or `NoMediaError`."""

    async def change(document: Document, now: datetime) -> Document | None:
        media = document["media"]
        if media is None:
            raise NoMediaError
        if media["status"] == Status.CANCELED:
            return None
        if media["status"] not in sources_of(Status.CANCELED):
            raise NotCancelableError
        canceled = {"status": Status.CANCELED, "status_at": now, "lease": None, "due_ms": None, "progress": None}
        return {"media": {**media, **canceled}, **sweep_note(now)}

    return await change_scene(database, workspace, scene_id, change)


def with_link(document: Document, link: str | None, settings: Settings, now: datetime) -> Document:
    """The fields that give the scene another link (or none), not stored yet; {} where it has that link already."""
    media = document["media"]
    if (media["source_url"] if media else None) == link:
        return {}
    if link is None:
        return {"media": None, **_leftovers(document, now)}
    return start_over(document, Status.PENDING, link, settings, now)


def _serves(media: Document, max_height: int | None, settings: Settings) -> bool:
    """Whether somebody who wants at most that height is served by this media.

    That is so where it was asked for with the same cap, or with a higher one and is no higher itself.
    """
    asked, before = settings.height_cap(max_height), settings.height_cap(media.get("max_height"))
    if max_height is None or asked == before:
        return True
    probe = media.get("probe") or {}
    height = min((size for size in (probe.get("width"), probe.get("height")) if size), default=asked + 1)
    return asked < before and height <= asked


def run_again(document: Document, settings: Settings, now: datetime) -> Document:
    """The fields that start the media over just as it was asked for."""
    media = document["media"]
    return start_over(document, Status.QUEUED, media["source_url"], settings, now, max_height=media.get("max_height"))


def start_over(
    document: Document,
    target: Status,
    link: str,
    settings: Settings,
    now: datetime,
    *,
    max_height: int | None = None,
) -> Document:
    """The fields that start the media over under its next generation, even where its link was away in between."""
    media = document["media"]
    if media is not None and media["status"] not in sources_of(target):
        raise SceneBusyError
    queued = target is Status.QUEUED
    grace = settings.takeup_claim_grace_seconds if queued else settings.takeup_pending_grace_seconds
    generation = int(media["generation"] if media else document.get("last_generation", 0)) + 1
    run = new_run(
        link,
        generation,
        target,
        now=now,
        wait_seconds=grace,
        max_attempts=settings.takeup_max_attempts,
        max_height=max_height,
    )
    return {"media": run, **_leftovers(document, now)}


def _leftovers(document: Document, now: datetime) -> Document:
    """What must be remembered of the media that goes: its generation, and that a worker may have been at it."""
    media = document["media"]
    if media is None:
        return {}
    return {"last_generation": media["generation"], **(sweep_note(now) if media["generation"] > 0 else {})}

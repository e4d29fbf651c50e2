"""What the audit reads of the database, a page at a time, and the one write by which it mends a scene."""

from collections.abc import Callable, Iterator
from datetime import datetime

from pymongo import ASCENDING

from app.core.config import Settings
from app.core.database import Document, Sync, server_now_sync
from app.core.errors import SceneBusyError
from app.crud.crud_deletion import deletion_at
from app.crud.crud_media import start_over
from app.crud.crud_scene import NOTHING, find_scene_sync, sweep_note
from app.models.media import Status, milliseconds

_PAGE = 500
_CAS_TRIES = 20


def project_ids(database: Sync) -> Iterator[str]:
    """The id of every project, deleted or not, in order."""
    last = ""
    while page := list(
        database["projects"].find({"_id": {"$gt": last}}, {"_id": 1}).sort([("_id", ASCENDING)]).limit(_PAGE)
    ):
        yield from (project["_id"] for project in page)
        last = page[-1]["_id"]


def named_project_ids(database: Sync) -> Iterator[str]:
    """The id of every project that a scene names, whether the project exists or not, in order.

    One look at the index for each: no operator of the embedded database tells them apart by itself.
    """
    last = ""
    order = [("project_id", ASCENDING)]
    while scene := database["scenes"].find_one({"project_id": {"$gt": last}}, {"project_id": 1}, sort=order):
        last = scene["project_id"]
        yield last


def scenes_of(database: Sync, project_id: str) -> Iterator[Document]:
    """The project's scenes, deleted or not."""
    return iter(database["scenes"].find({"project_id": project_id}))


def has_project(database: Sync, project_id: str) -> bool:
    return database["projects"].find_one({"_id": project_id}, {"_id": 1}) is not None


def is_empty(database: Sync) -> bool:
    """Whether there is no project and no scene: a new database, or the wrong one."""
    return not any(database[name].find_one({}, {"_id": 1}) for name in ("projects", "scenes"))


Change = Callable[[Document, datetime], Document | None]
"""From a scene's document and the server's time to the fields to set; None leaves the scene as it is."""


def mend(database: Sync, scene_id: str, change: Change) -> bool:
    """Write what `change` makes of the scene as it stands; begin again if anybody else wrote in between.

    The document is replaced whole, because the embedded database stores a bare date given to `$set` as text. False
    where the scene is gone or nothing was to be done. Raises `SceneBusyError` where others were faster each time.
    """
    for _ in range(_CAS_TRIES):
        scene = find_scene_sync(database, scene_id)
        now = server_now_sync(database)
        fields = change(scene, now) if scene is not None else None
        if scene is None or fields is None:
            return False
        version = scene.get("version")
        unchanged = {"_id": scene_id, "version": NOTHING if version is None else version}
        mended = {**scene, "version": whole(version) + 1, "updated_at": now, **fields}
        if database["scenes"].replace_one(unchanged, mended).matched_count:
            return True
    raise SceneBusyError


def queued_anew(document: Document, generation: int, settings: Settings, now: datetime) -> Document:
    """The fields that store the scene's link anew, above `generation`; without a link the media is gone.

    Whatever is wrong with the present media, nothing of it but the link and the height goes into the new one.
    """
    media = document["media"] if isinstance(document.get("media"), dict) else {}
    link = media.get("source_url")
    kept = {"last_generation": generation, **sweep_note(now)}
    if not isinstance(link, str) or not link:
        return {**kept, "media": None}
    blank = {"media": None, "last_generation": generation}
    max_height = whole(media.get("max_height")) or None
    return {**kept, **start_over(blank, Status.QUEUED, link, settings, now, max_height=max_height)}


def deleted_at_once(settings: Settings, now: datetime) -> Document:
    """The fields of a deletion that nobody can take back."""
    deletion = deletion_at(now, settings)["deletion"]
    return {"deletion": {**deletion, "purge_ms": milliseconds(now)}}


def whole(value: object) -> int:
    """The number, or 0 for anything else that a broken document may hold there."""
    return int(value) if isinstance(value, int | float) else 0

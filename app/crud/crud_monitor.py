"""Counts over a workspace's scenes."""

from dataclasses import dataclass

from app.core.database import Async, server_now
from app.crud.crud_scene import ALIVE
from app.models.media import ACTIVE, WAITING, Status


@dataclass(frozen=True)
class Overview:
    """Scenes by state, failures by code, and how many seconds the oldest queued scene has waited."""

    scenes: dict[str, int]
    failures: dict[str, int]
    oldest_wait_s: float | None

    @property
    def waiting(self) -> int:
        return sum(self.scenes.get(status, 0) for status in WAITING)

    @property
    def active(self) -> int:
        return sum(self.scenes.get(status, 0) for status in ACTIVE)


async def overview(database: Async, workspace: str) -> Overview:
    mine = {"workspace": workspace, **ALIVE}
    scenes = await _count(database, {**mine, "media": {"$ne": None}}, "$media.status")
    failures = await _count(database, {**mine, "media.status": Status.FAILED}, "$media.error.code")
    oldest = await database["scenes"].find_one({**mine, "media.status": Status.QUEUED}, sort=[("media.status_at", 1)])
    wait = (await server_now(database) - oldest["media"]["status_at"]).total_seconds() if oldest else None
    return Overview(scenes, failures, None if wait is None else max(0.0, round(wait, 3)))


async def _count(database: Async, wanted: dict[str, object], by: str) -> dict[str, int]:
    cursor = await database["scenes"].aggregate([{"$match": wanted}, {"$group": {"_id": by, "n": {"$sum": 1}}}])
    return {str(row["_id"]): row["n"] async for row in cursor if row["_id"] is not None}

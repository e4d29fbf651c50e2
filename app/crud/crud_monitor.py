"""What goes on among a workspace's scenes: counts, who works on what, and how many were stored of late."""

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

from pymongo import ASCENDING

from app.core.database import Async, Document, server_now
from app.crud.crud_scene import ALIVE
from app.models.media import ACTIVE, WAITING, Status, milliseconds

_FRESH_SECONDS = 2.0
_SHARE_OF_TIME = 0.05
"""Counting takes longer the more scenes there are: it may take this much of the time, however often one looks."""

SLOT_SECONDS = 10
SLOTS = 30
_UNSETTLED_SLOTS = 3
"""What was stored in these may still be on its way into the database."""


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


class Overviews:
    """The overview of each workspace, kept for two seconds, or for twenty times as long as it took to count."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Overview, float]] = {}
        self._counting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, database: Async, workspace: str) -> Overview:
        async with self._counting[workspace]:
            kept = self._kept.get(workspace)
            if kept is not None and time.monotonic() < kept[1]:
                return kept[0]
            began = time.monotonic()
            overview = await count_scenes(database, workspace)
            ended = time.monotonic()
            self._kept[workspace] = (overview, ended + max(_FRESH_SECONDS, (ended - began) / _SHARE_OF_TIME))
            return overview


class StoredCounts:
    """Scenes stored in each ten seconds of the last five minutes. A slot that is over is counted once."""

    def __init__(self) -> None:
        self._settled: defaultdict[str, dict[int, int]] = defaultdict(dict)

    async def of(self, database: Async, workspace: str) -> list[int]:
        """One number for each slot, oldest first; the last is still growing."""
        present = milliseconds(await server_now(database)) // (SLOT_SECONDS * 1000)
        slots = range(present - SLOTS + 1, present + 1)
        known = {slot: count for slot, count in self._settled[workspace].items() if slot in slots}
        unknown = [slot for slot in slots if slot not in known]
        found = await asyncio.gather(*(_count_stored(database, workspace, slot) for slot in unknown))
        counts = {**known, **dict(zip(unknown, found, strict=True))}
        settled = {slot: count for slot, count in counts.items() if slot <= present - _UNSETTLED_SLOTS}
        self._settled[workspace] = settled
        return [counts[slot] for slot in slots]


async def _count_stored(database: Async, workspace: str, slot: int) -> int:
    # To count, the embedded database reads every scene; to find, it goes by the index.
    return len(await database["scenes"].find(stored_within(workspace, slot), {"_id": 1}).to_list())


def stored_within(workspace: str, slot: int) -> Document:
    """Matches the scenes that became ready in that slot."""
    begin_ms = slot * SLOT_SECONDS * 1000
    within = {"$gte": begin_ms, "$lt": begin_ms + SLOT_SECONDS * 1000}
    return {"media.stored_ms": within, "workspace": workspace, **ALIVE}


def held_by_workers(workspace: str) -> Document:
    """Matches the scenes that are leased."""
    return {"media.lease.expires_ms": {"$gt": 0}, "workspace": workspace, **ALIVE}


async def list_work(database: Async, workspace: str, limit: int) -> list[Document]:
    """Scenes that workers hold, so many at most, those first that have been held for longest."""
    order = [("media.lease.expires_ms", ASCENDING)]
    scenes = await database["scenes"].find(held_by_workers(workspace)).sort(order).limit(limit).to_list()
    return sorted(scenes, key=lambda scene: scene["media"]["lease"]["started_at"])


async def count_scenes(database: Async, workspace: str) -> Overview:
    """The workspace's overview, counted now.

    All scenes are counted and the few that are being deleted taken off: asking each whether it is deleted costs the
    embedded database ten times as long.
    """
    scenes = await _count(database, {"workspace": workspace}, "$media.status")
    failures = await _count(database, {"media.status": Status.FAILED, "workspace": workspace}, "$media.error.code")
    async for deleted in database["scenes"].find({"deletion.purge_ms": {"$gt": 0}, "workspace": workspace}):
        media = deleted["media"] or {}
        scenes.subtract([media.get("status")])
        if media.get("status") == Status.FAILED:
            failures.subtract([media["error"]["code"]])
    queued = {"media.due_ms": {"$gt": 0}, "workspace": workspace, **ALIVE, "media.status": Status.QUEUED}
    oldest = await database["scenes"].find_one(queued, sort=[("media.due_ms", ASCENDING)])
    wait = (await server_now(database) - oldest["media"]["status_at"]).total_seconds() if oldest else None
    return Overview(_found(scenes), _found(failures), None if wait is None else max(0.0, round(wait, 3)))


async def _count(database: Async, wanted: dict[str, object], by: str) -> Counter[str | None]:
    cursor = await database["scenes"].aggregate([{"$match": wanted}, {"$group": {"_id": by, "n": {"$sum": 1}}}])
    return Counter({row["_id"]: row["n"] async for row in cursor})


def _found(counts: Counter[str | None]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if name is not None and count > 0}

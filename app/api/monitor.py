"""What the whole service is doing, for operators."""

import asyncio
from datetime import datetime
from typing import Any, Self

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.deps import ClientsDep, WorkspaceDep
from app.crud import crud_hold, crud_monitor
from app.crud.crud_hold import Hold
from app.crud.crud_monitor import SLOT_SECONDS
from app.models.media import Progress, Status

router = APIRouter(tags=["monitor"])

_WORK_SHOWN = 50
_TEXT_SHOWN = 80


class SystemHold(BaseModel):
    """Why scenes wait that could begin: the bucket refuses us, or a machine's disk is full. It is tried again by us."""

    subject: str
    since: datetime
    next_trial_at: datetime
    code: str
    message: str
    hint: str

    @classmethod
    def of(cls, hold: Hold) -> Self:
        error = hold.error or {}
        return cls.model_validate({**error, "subject": hold.subject, "since": hold.since, "next_trial_at": hold.until})


class Work(BaseModel):
    """A scene that a worker holds, and since when. `worker` is its machine and process, `text` begins the scene's."""

    worker: str
    scene_id: str
    project_id: str
    text: str
    source_url: str
    status: Status
    progress: Progress
    started_at: datetime

    @classmethod
    def of(cls, scene: dict[str, Any]) -> Self:
        media = scene["media"]
        return cls(
            worker=media["lease"]["worker"],
            scene_id=scene["_id"],
            project_id=scene["project_id"],
            text=scene["text"].strip()[:_TEXT_SHOWN],
            source_url=media["source_url"],
            status=media["status"],
            progress=Progress.model_validate(media["progress"] or {}),
            started_at=media["lease"]["started_at"],
        )


class Throughput(BaseModel):
    """Scenes stored in each slot of so many seconds, oldest first, over five minutes; the last is still growing."""

    slot_s: int
    stored: list[int]


class Monitor(BaseModel):
    """Counts of the caller's scenes by state and failures by code, a few seconds old at most.

    `holds` is empty while all is well; `workers` is null where the broker is silent; `work` holds the fifty oldest of
    the caller's scenes that workers are at.
    """

    scenes: dict[str, int]
    failures: dict[str, int]
    waiting: int
    active: int
    oldest_wait_s: float | None
    holds: list[SystemHold]
    workers: list[str] | None
    work: list[Work]
    throughput: Throughput
    flower_url: str | None


@router.get("/monitor")
async def read_monitor(clients: ClientsDep, workspace: WorkspaceDep) -> Monitor:
    """Read queue depth, oldest wait, what holds the queue up, what workers are at, throughput, and failures by code."""
    overview, holds, work, stored, workers = await asyncio.gather(
        clients.overviews.of(clients.database, workspace),
        crud_hold.list_system_holds(clients.database),
        crud_monitor.list_work(clients.database, workspace, _WORK_SHOWN),
        clients.stored_counts.of(clients.database, workspace),
        asyncio.to_thread(clients.worker_watch.listening),
    )
    return Monitor(
        scenes=overview.scenes,
        failures=overview.failures,
        waiting=overview.waiting,
        active=overview.active,
        oldest_wait_s=overview.oldest_wait_s,
        holds=[SystemHold.of(hold) for hold in holds],
        workers=workers,
        work=[Work.of(scene) for scene in work],
        throughput=Throughput(slot_s=SLOT_SECONDS, stored=stored),
        flower_url=clients.settings.takeup_flower_url,
    )

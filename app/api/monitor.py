"""What the whole service is doing, for operators."""

import asyncio
from datetime import datetime
from typing import Self

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.deps import ClientsDep, WorkspaceDep
from app.crud import crud_hold
from app.crud.crud_hold import Hold
from app.tasks.workers import listening_workers

router = APIRouter(tags=["monitor"])


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


class Monitor(BaseModel):
    """Counts of the caller's scenes by state and failures by code, a few seconds old at most.

    `holds` is empty while all is well; `workers` is null where the broker is silent.
    """

    scenes: dict[str, int]
    failures: dict[str, int]
    waiting: int
    active: int
    oldest_wait_s: float | None
    holds: list[SystemHold]
    workers: list[str] | None
    flower_url: str | None


@router.get("/monitor")
async def read_monitor(clients: ClientsDep, workspace: WorkspaceDep) -> Monitor:
    """Read queue depth, oldest wait, what holds the queue up, workers, and failures by code."""
    overview = await clients.overviews.of(clients.database, workspace)
    holds = await crud_hold.list_system_holds(clients.database)
    workers = await asyncio.to_thread(listening_workers)
    return Monitor(
        scenes=overview.scenes,
        failures=overview.failures,
        waiting=overview.waiting,
        active=overview.active,
        oldest_wait_s=overview.oldest_wait_s,
        holds=[SystemHold.of(hold) for hold in holds],
        workers=workers,
        flower_url=clients.settings.takeup_flower_url,
    )

"""What the whole service is doing, for operators."""

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.deps import ClientsDep, WorkspaceDep
from app.crud import crud_monitor
from app.tasks.workers import listening_workers

router = APIRouter(tags=["monitor"])


class Monitor(BaseModel):
    """Counts of the caller's scenes by state and failures by code; `workers` is null where the broker is silent."""

    scenes: dict[str, int]
    failures: dict[str, int]
    waiting: int
    active: int
    oldest_wait_s: float | None
    workers: list[str] | None
    flower_url: str | None


@router.get("/monitor")
async def read_monitor(clients: ClientsDep, workspace: WorkspaceDep) -> Monitor:
    """Read queue depth, oldest wait, workers, and failures by code."""
    overview = await crud_monitor.overview(clients.database, workspace)
    workers = await asyncio.to_thread(listening_workers)
    return Monitor(
        scenes=overview.scenes,
        failures=overview.failures,
        waiting=overview.waiting,
        active=overview.active,
        oldest_wait_s=overview.oldest_wait_s,
        workers=workers,
        flower_url=clients.settings.takeup_flower_url,
    )

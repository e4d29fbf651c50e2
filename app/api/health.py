"""Whether the process lives, whether it can serve, and its metrics."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from app.api.deps import ClientsDep, WorkspaceDep

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """That all is well; anything else is a problem document."""

    status: str = "ok"


@router.get("/health/live")
async def live() -> Health:
    """The process answers."""
    return Health()


@router.get("/health/ready")
async def ready(clients: ClientsDep) -> Health:
    """The database answers, so requests can be served (a silent broker only delays the work)."""
    await clients.database.command("ping")
    return Health()


@router.get("/metrics", response_class=Response)
async def metrics(_: WorkspaceDep) -> Response:
    """Requests and their durations, for Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

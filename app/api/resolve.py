"""What is behind a link, before anything of it is stored."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict

from app.api.deps import API_PREFIX, ID_PATTERN, ClientsDep, Link, MaxHeight, WorkspaceDep
from app.crud import crud_resolution
from app.models.resolution import Resolution

router = APIRouter(prefix="/media/resolve", tags=["media"])


class ResolveRequest(BaseModel):
    """The link to look at, and the height that it would be stored with."""

    model_config = ConfigDict(extra="forbid")

    url: Link
    max_height: MaxHeight = None


@router.post("", status_code=202)
async def resolve_media(
    body: ResolveRequest, clients: ClientsDep, workspace: WorkspaceDep, response: Response
) -> Resolution:
    """Have a worker find out what is behind a link: title, kind, duration, size, formats, and whether it can be stored.

    Nothing is stored. Answers at once; `Location` is where to read what was found. Asked again within a minute, it is
    the same resolution.
    """
    grace_seconds = clients.settings.takeup_claim_grace_seconds
    document, new = await crud_resolution.request(
        clients.database, workspace, body.url, grace_seconds, max_height=body.max_height
    )
    if new:
        clients.bell.resolve(document["_id"])
    response.headers["Location"] = f"{API_PREFIX}{router.prefix}/{document['_id']}"
    return Resolution.from_document(document)


@router.get("/{resolution_id}")
async def read_resolution(
    resolution_id: Annotated[str, Path(pattern=ID_PATTERN, description="A resolution's id")],
    clients: ClientsDep,
    workspace: WorkspaceDep,
) -> Resolution:
    """Read what was found so far; it is kept for a quarter of an hour."""
    return Resolution.from_document(await crud_resolution.get_resolution(clients.database, workspace, resolution_id))

"""A scene's media: store, cancel, retry, read, and play."""

from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import ClientsDep, Id, Link, MaxHeight, ProjectId, SceneId, StoreTicket, WorkspaceDep
from app.core.database import Document
from app.core.errors import NoMediaError, NotStoredError
from app.crud import crud_media, crud_project, crud_scene
from app.models.media import Attempt, Media
from app.tasks.media_tasks import task_id_of

router = APIRouter(prefix="/media", tags=["media"])
project_router = APIRouter(prefix="/projects/{project_id}/media", tags=["media"])

Variant = Literal["original", "poster"]

_RETRIED_AT_ONCE = 1000


class StoreRequest(BaseModel):
    """Which scene's media to store; `url` replaces the scene's link, `force` fetches a stored link anew."""

    model_config = ConfigDict(extra="forbid")

    project_id: Id
    scene_id: Id
    url: Link | None = None
    max_height: MaxHeight = None
    force: bool = False


def _ticket(scene: Document) -> StoreTicket:
    media = scene["media"]
    return StoreTicket(
        task_id=task_id_of(scene["_id"], media["generation"]),
        project_id=scene["project_id"],
        scene_id=scene["_id"],
        generation=media["generation"],
        status=media["status"],
    )


@router.post("/store", status_code=202)
async def store_media(body: StoreRequest, clients: ClientsDep, workspace: WorkspaceDep) -> StoreTicket:
    """Queue the storage of a scene's media.

    Answers at once, also while the broker is down. Asking again for a link that is on its way, or stored, queues
    nothing and answers with its present state; with another `max_height` it is fetched anew.
    """
    await crud_project.get_project(clients.database, workspace, body.project_id)
    scene, queued = await crud_media.request_storage(
        clients.database,
        clients.settings,
        workspace,
        body.scene_id,
        project_id=body.project_id,
        link=body.url,
        max_height=body.max_height,
        force=body.force,
    )
    if queued:
        _ring(clients, scene)
    return _ticket(scene)


def _ring(clients: ClientsDep, scene: Document) -> None:
    generation = scene["media"]["generation"]
    clients.announcer.changed(scene["project_id"], scene["_id"])
    clients.bell.store(scene["_id"], generation)
    if generation > 1:
        clients.bell.sweep(scene["_id"])


@router.post("/{scene_id}/cancel", status_code=202)
async def cancel_media(scene_id: SceneId, clients: ClientsDep, workspace: WorkspaceDep) -> StoreTicket:
    """Stop what is on its way; canceling again changes nothing."""
    scene, canceled = await crud_media.cancel(clients.database, workspace, scene_id)
    if canceled:
        clients.announcer.changed(scene["project_id"], scene_id)
        clients.bell.sweep(scene_id)
    return _ticket(scene)


@router.post("/{scene_id}/retry", status_code=202)
async def retry_media(scene_id: SceneId, clients: ClientsDep, workspace: WorkspaceDep) -> StoreTicket:
    """Try media again that failed, was canceled, or waits for its next attempt."""
    scene, queued = await crud_media.retry(clients.database, clients.settings, workspace, scene_id)
    if queued:
        _ring(clients, scene)
    return _ticket(scene)


class RetryRequest(BaseModel):
    """Which failures to try again; without `codes` all of them."""

    model_config = ConfigDict(extra="forbid")

    codes: Annotated[list[str], Field(max_length=100, examples=[["fetch.timeout"]])] | None = None


class RetryResult(BaseModel):
    """How many scenes were queued again."""

    queued: int


@project_router.post("/retry", status_code=202)
async def retry_failed(
    project_id: ProjectId, clients: ClientsDep, workspace: WorkspaceDep, body: RetryRequest | None = None
) -> RetryResult:
    """Try every failed scene of the project again, or those that failed with one of these codes."""
    await crud_project.get_project(clients.database, workspace, project_id)
    codes = body.codes if body else None
    scenes = await crud_media.retry_failed(clients.database, clients.settings, workspace, codes, project_id=project_id)
    for scene in scenes:
        _ring(clients, scene)
    return RetryResult(queued=len(scenes))


@router.post("/retry", status_code=202)
async def retry_failed_everywhere(
    clients: ClientsDep, workspace: WorkspaceDep, body: RetryRequest | None = None
) -> RetryResult:
    """Try the failed scenes of all projects again, or those that failed with one of these codes.

    A thousand at once at most: ask again until fewer are queued.
    """
    codes = body.codes if body else None
    scenes = await crud_media.retry_failed(clients.database, clients.settings, workspace, codes, limit=_RETRIED_AT_ONCE)
    for scene in scenes:
        _ring(clients, scene)
    return RetryResult(queued=len(scenes))


class AttemptList(BaseModel):
    """The attempts of the present request that have ended, oldest first, and when the next one is due."""

    items: list[Attempt]
    attempt: int
    max_attempts: int
    next_attempt_at: datetime | None


@router.get("/{scene_id}/attempts")
async def read_attempts(scene_id: SceneId, clients: ClientsDep, workspace: WorkspaceDep) -> AttemptList:
    """Read what became of each attempt, and when the next is due."""
    media = await read_media(scene_id, clients, workspace)
    return AttemptList(
        items=media.attempts,
        attempt=media.attempt,
        max_attempts=media.max_attempts,
        next_attempt_at=media.next_attempt_at,
    )


@router.get("/{scene_id}")
async def read_media(scene_id: SceneId, clients: ClientsDep, workspace: WorkspaceDep) -> Media:
    """Read where a scene's media stands."""
    scene = await crud_scene.get_scene(clients.database, workspace, scene_id)
    if scene["media"] is None:
        raise NoMediaError
    return Media.from_document(scene["media"])


@router.get(
    "/{scene_id}/content",
    status_code=307,
    response_class=RedirectResponse,
    responses={307: {"description": "The address of the file in the bucket, valid for an hour"}},
)
async def read_content(
    scene_id: SceneId,
    clients: ClientsDep,
    workspace: WorkspaceDep,
    variant: Variant = "original",
    download: Annotated[bool, Query()] = False,  # noqa: FBT002 - a query parameter
) -> RedirectResponse:
    """Play or download the stored file, from the bucket itself."""
    scene = await crud_scene.get_scene(clients.database, workspace, scene_id)
    media = scene["media"] or {}
    part = media.get(variant)
    if part is None:
        raise NotStoredError
    content_type = part["content_type"] if variant == "original" else "image/webp"
    filename = media["original"]["filename"] if variant == "original" else "poster.webp"
    kind = "attachment" if download else "inline"
    disposition = f"{kind}; filename*=UTF-8''{quote(filename)}"
    seconds = clients.settings.takeup_presign_seconds
    address = clients.bucket.presigned_url(part["key"], content_type, disposition, seconds)
    return RedirectResponse(address, 307, headers={"Cache-Control": "private, no-store"})

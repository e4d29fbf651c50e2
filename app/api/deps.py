"""What the routes are given: the application's clients, the caller's workspace, and checked parameters."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Path, Request
from pydantic import AfterValidator, BaseModel, Field

from app.api.callers import KeyPolicy, caller_of
from app.core.config import Settings
from app.core.database import Async
from app.core.errors import InvalidVersionError
from app.core.media_errors import InvalidLinkError
from app.core.redis import Announcer
from app.crud.crud_monitor import Overviews, StoredCounts
from app.crud.crud_session import Caller
from app.models.media import MAX_HEIGHT, MIN_HEIGHT
from app.services.fetch.guard import MAX_LINK_LENGTH, check_link
from app.services.live.hub import Hub
from app.services.storage.bucket import Bucket
from app.tasks.bell import Bell
from app.tasks.setup import SetupLooks
from app.tasks.workers import WorkerWatch

API_PREFIX = "/api/v1"


@dataclass(frozen=True)
class Clients:
    """What lives as long as the application."""

    settings: Settings
    database: Async
    bucket: Bucket
    bell: Bell
    keys: KeyPolicy
    overviews: Overviews
    announcer: Announcer
    hub: Hub
    setup_looks: SetupLooks
    worker_watch: WorkerWatch
    stored_counts: StoredCounts


def _clients(request: Request) -> Clients:
    clients = request.app.state.clients
    if not isinstance(clients, Clients):
        raise TypeError("the application has not started")
    return clients


ClientsDep = Annotated[Clients, Depends(_clients)]


async def _caller(request: Request, clients: ClientsDep) -> Caller:
    return await caller_of(request, clients.database, clients.keys)


CallerDep = Annotated[Caller, Depends(_caller)]


async def _workspace(caller: CallerDep) -> str:
    return caller.workspace


WorkspaceDep = Annotated[str, Depends(_workspace)]

ID_PATTERN = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
Id = Annotated[str, Field(pattern=ID_PATTERN, examples=["019a7c1e-5c3a-7b3e-9f0a-3d2b1c0a9e8d"])]
ProjectId = Annotated[str, Path(pattern=ID_PATTERN, description="A project's id")]
SceneId = Annotated[str, Path(pattern=ID_PATTERN, description="A scene's id")]


def _version(if_match: Annotated[str | None, Header(examples=['"7"'])] = None) -> int | None:
    """The `version` that an If-Match header holds; None without one, or for `*`. Raises `InvalidVersionError`."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().removeprefix("W/").strip('"')
    if not tag.isascii() or not tag.isdigit():
        raise InvalidVersionError
    return int(tag)


IfMatch = Annotated[int | None, Depends(_version)]
"""The version that the caller has read: a change is refused where somebody else has edited since."""


def _link(value: str) -> str:
    """Raises `InvalidLinkError`, which names the link: there may be five hundred in one request."""
    try:
        return check_link(value)
    except InvalidLinkError as error:
        raise InvalidLinkError(f"({value[:100]})") from error


Link = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_LINK_LENGTH,
        description="An http or https address",
        examples=["https://example.com/clip.mp4"],
    ),
    AfterValidator(_link),
]


MaxHeight = Annotated[
    int | None,
    Field(
        ge=MIN_HEIGHT,
        le=MAX_HEIGHT,
        description="The most that the picture's height (of an upright one, the width) shall have, in pixels, where a "
        "site offers several; never more than the operator allows (TAKEUP_MAX_HEIGHT). Null: no wish",
        examples=[720],
    ),
]


class StoreTicket(BaseModel):
    """That the scene's media is on its way: what to watch, and where it stands."""

    task_id: str
    project_id: str
    scene_id: str
    generation: int
    status: str

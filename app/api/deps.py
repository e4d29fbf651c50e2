"""What the routes are given: the application's clients, the caller's workspace, and checked parameters."""

import time
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Header, Path, Request
from pydantic import AfterValidator, BaseModel, Field

from app.core.config import Settings
from app.core.database import Async
from app.core.errors import InvalidVersionError, UnauthorizedError
from app.core.media_errors import InvalidLinkError
from app.core.redis import Announcer
from app.core.security import DEFAULT_WORKSPACE
from app.crud import crud_api_key
from app.crud.crud_monitor import Overviews
from app.services.fetch.guard import MAX_LINK_LENGTH, check_link
from app.services.live.hub import Hub
from app.services.storage.bucket import Bucket
from app.tasks.bell import Bell

API_PREFIX = "/api/v1"
_KEY_CHECK_SECONDS = 2.0


@dataclass
class KeyPolicy:
    """Whether a key is asked for: as soon as one has been created, looked up again every two seconds."""

    required: bool = False
    looked_at: float = field(default=float("-inf"))

    async def refresh(self, database: Async) -> bool:
        if time.monotonic() - self.looked_at > _KEY_CHECK_SECONDS:
            self.required = await crud_api_key.any_key(database)
            self.looked_at = time.monotonic()
        return self.required


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


def _clients(request: Request) -> Clients:
    clients = request.app.state.clients
    if not isinstance(clients, Clients):
        raise TypeError("the application has not started")
    return clients


ClientsDep = Annotated[Clients, Depends(_clients)]


async def _workspace(request: Request, clients: ClientsDep) -> str:
    """The workspace of the caller's key; the default one where no key has been created. Raises `UnauthorizedError`."""
    if not await clients.keys.refresh(clients.database):
        return DEFAULT_WORKSPACE
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    workspace = await crud_api_key.workspace_of_key(clients.database, key.strip()) if key else None
    if scheme.lower() != "bearer" or workspace is None:
        raise UnauthorizedError
    return workspace


WorkspaceDep = Annotated[str, Depends(_workspace)]

_ID_PATTERN = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
Id = Annotated[str, Field(pattern=_ID_PATTERN, examples=["019a7c1e-5c3a-7b3e-9f0a-3d2b1c0a9e8d"])]
ProjectId = Annotated[str, Path(pattern=_ID_PATTERN, description="A project's id")]
SceneId = Annotated[str, Path(pattern=_ID_PATTERN, description="A scene's id")]


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


class StoreTicket(BaseModel):
    """That the scene's media is on its way: what to watch, and where it stands."""

    task_id: str
    project_id: str
    scene_id: str
    generation: int
    status: str

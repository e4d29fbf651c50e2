"""A project's scenes, live: a snapshot first, then each change, read from the documents themselves."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.deps import CallerDep, ClientsDep, ProjectId
from app.crud import crud_project
from app.services.live.subscriber import Write

router = APIRouter(tags=["live"])

Join = Callable[[Write], Callable[[], None]]
"""Begins a stream, which is written by this; what it returns ends it."""

_JOIN = "takeup.join"
"""The key of a response's first message under which its stream is handed over."""

_DESCRIPTION = """Server-sent events, each with JSON in `data`.

`snapshot` (the project with its scenes) comes first; then `scene`, `scene_deleted` (`{"id": ...}`) and `project` (its
title has changed), each with the whole of what has changed. After `project_deleted` the stream ends, and within
seconds after the caller's key is revoked or its session ended. A client that
connects again gets a new snapshot, so it never has to poll; it drops a scene whose `version` it has passed already."""


class EventStream(Response):
    """Names the stream that `serve` is to go on with."""

    media_type = "text/event-stream"

    def __init__(self, join: Join) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        self._join = join

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send({**start, _JOIN: self._join})


async def serve(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Have the application answer, and go on with the event stream if it began one.

    An open page then costs what its connection costs, and not the frames of every layer that has looked at the request
    (docs/decisions/0009-event-streams-share-their-bytes.md).
    """
    join = await _answered(app, scope, receive, send)
    if join is None:
        return

    async def write(chunk: bytes, more: bool) -> None:  # noqa: FBT001 - ASGI calls it `more_body`
        await send({"type": "http.response.body", "body": chunk, "more_body": more})

    leave = join(write)
    del join
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        leave()


async def _answered(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> Join | None:
    """Have the application answer, and keep nothing that it made for that; how to join the stream, if it began one."""
    join = None
    given = tuple(scope)

    async def noted(message: Message) -> None:
        nonlocal join
        join = message.pop(_JOIN, join)
        await send(message)

    await app(scope, receive, noted)
    if join is not None:
        kept = {name: scope[name] for name in given}
        scope.clear()  # which frees its table; taking keys away would not
        scope.update(kept)
    return join


async def _watchable(project_id: ProjectId, clients: ClientsDep, caller: CallerDep) -> str:
    """The id of a project of the caller's; looked up for the first who watches: all come at once after a restart."""
    if not clients.hub.is_watched(project_id, caller.workspace):
        await crud_project.get_project(clients.database, caller.workspace, project_id)
    return project_id


@router.get("/projects/{project_id}/events", status_code=200, response_class=EventStream, description=_DESCRIPTION)
async def watch_project(
    project_id: Annotated[str, Depends(_watchable)], clients: ClientsDep, caller: CallerDep
) -> EventStream:
    """A snapshot, then every change."""
    return EventStream(partial(clients.hub.join, project_id, caller))

"""A project's scenes, live: a snapshot first, then each change, read from the documents themselves."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.deps import ClientsDep, ProjectId, WorkspaceDep
from app.core.database import Document
from app.crud import crud_project
from app.services.live.hub import Hub

router = APIRouter(tags=["live"])

_DESCRIPTION = """Server-sent events, each with JSON in `data`.

`snapshot` (the project with its scenes) comes first; then `scene`, `scene_deleted` (`{"id": ...}`) and `project` (its
title has changed), each with the whole of what has changed. After `project_deleted` the stream ends. A client that
connects again gets a new snapshot, so it never has to poll; it drops a scene whose `version` it has passed already."""


class EventStream(Response):
    """Bytes that the hub has made once for all clients. `fastapi.sse` makes each event anew for each of them
    (docs/decisions/0009-event-streams-share-their-bytes.md)."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, project: Document) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        self._hub = hub
        self._project = project

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        async def write(chunk: bytes, more: bool) -> None:  # noqa: FBT001 - ASGI calls it `more_body`
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with self._hub.subscribed(self._project, write):
            while (await receive())["type"] != "http.disconnect":
                pass


async def _project(project_id: ProjectId, clients: ClientsDep, workspace: WorkspaceDep) -> Document:
    return await crud_project.get_project(clients.database, workspace, project_id)


@router.get("/projects/{project_id}/events", response_class=EventStream, description=_DESCRIPTION)
async def watch_project(project: Annotated[Document, Depends(_project)], clients: ClientsDep) -> EventStream:
    """A snapshot, then every change."""
    return EventStream(clients.hub, project)

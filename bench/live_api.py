"""The application with two more event streams, fed by the same hub: the ways that were not taken.

`/bench/native/...` is FastAPI's own (`fastapi.sse`), `/bench/streaming/...` Starlette's `StreamingResponse`.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.deps import ClientsDep
from app.api.events import _watchable
from app.core.security import DEFAULT_WORKSPACE
from app.crud.crud_session import Caller
from app.main import create_app
from app.services.live.hub import Hub

router = APIRouter(prefix="/bench")
WatchedId = Annotated[str, Depends(_watchable)]


async def chunks(hub: Hub, project_id: str) -> AsyncIterator[bytes]:
    """What a subscriber is given, from a queue of its own."""
    waiting: asyncio.Queue[bytes] = asyncio.Queue(64)

    async def write(chunk: bytes, _: bool) -> None:  # noqa: FBT001
        await waiting.put(chunk)

    leave = hub.join(project_id, Caller(DEFAULT_WORKSPACE), write)
    try:
        while True:
            yield await waiting.get()
    finally:
        leave()


@router.get("/native/projects/{project_id}/events", response_class=EventSourceResponse)
async def native(project_id: WatchedId, clients: ClientsDep) -> AsyncIterator[ServerSentEvent]:
    async for chunk in chunks(clients.hub, project_id):
        for event in chunk.decode().removesuffix("\n\n").split("\n\n"):
            name, _, data = event.partition("\ndata: ")
            yield ServerSentEvent(event=name.rpartition("event: ")[2] or None, raw_data=data)


@router.get("/streaming/projects/{project_id}/events")
async def streaming(project_id: WatchedId, clients: ClientsDep) -> StreamingResponse:
    return StreamingResponse(chunks(clients.hub, project_id), media_type="text/event-stream")


def create() -> FastAPI:
    app = create_app()
    app.include_router(router)
    return app

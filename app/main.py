"""The FastAPI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from logging import getLogger
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from starlette.types import Receive, Scope, Send

from app.api import events, health, media, monitor, projects, scenes
from app.api.deps import API_PREFIX, Clients, KeyPolicy
from app.api.middleware import (
    BodyLimitMiddleware,
    HeadersMiddleware,
    IdempotencyMiddleware,
    LocalOnlyMiddleware,
    MetricsMiddleware,
)
from app.api.problems import PROBLEM_RESPONSES, describe_problems, install_problem_handlers
from app.api.web import serve_front_end
from app.core.config import Settings, describe, load_settings_or_exit
from app.core.database import connect_async, ensure_indexes
from app.core.logging import configure_logging
from app.core.redis import Announcer
from app.crud.crud_monitor import Overviews
from app.services.live.hub import Hub
from app.services.storage.bucket import open_bucket
from app.tasks.bell import Bell

WEB = Path(__file__).parent / "web"

log = getLogger(__name__)


class _Application(FastAPI):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await events.serve(super().__call__, scope, receive, send)


def origin_of(address: str) -> str:
    """Scheme, host and port of an address: what a browser's policy is told."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application for these settings (default: the environment's); clients are made when it starts."""
    chosen = settings or load_settings_or_exit()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logging(chosen)
        for line in describe(chosen):
            log.info("%s", line)
        database = connect_async(chosen)
        bell, announcer, hub = Bell(), Announcer(chosen.redis_url), Hub(database, chosen.redis_url)
        try:
            await ensure_indexes(database)
            hub.start()
            app.state.clients = Clients(
                chosen, database, open_bucket(chosen), bell, KeyPolicy(), Overviews(), announcer, hub
            )
            yield
        finally:
            await hub.close()
            announcer.close()
            bell.close()
            await database.client.close()

    app = _Application(
        title="Takeup",
        version=version("takeup"),
        summary="Paste a link: it is fetched, stored in your bucket, and playable.",
        description=(
            "Dates are RFC 3339 in UTC, sizes are bytes, durations seconds. Errors are RFC 9457 problem documents with "
            "a stable `code` and a `hint`. Every POST may carry an `Idempotency-Key`: sent again within a day, it gets "
            "the first answer and does nothing twice."
        ),
        lifespan=lifespan,
    )
    install_problem_handlers(app)
    app.add_middleware(IdempotencyMiddleware)
    app.add_middleware(BodyLimitMiddleware, max_bytes=chosen.takeup_max_body_bytes)
    app.add_middleware(LocalOnlyMiddleware)
    app.add_middleware(HeadersMiddleware, media_origin=origin_of(chosen.s3_endpoint_url))
    app.add_middleware(MetricsMiddleware)
    api = APIRouter(prefix=API_PREFIX, responses=PROBLEM_RESPONSES)
    for module in (projects, scenes, media, events, monitor):
        api.include_router(module.router)
    api.include_router(media.project_router)
    app.include_router(api)
    app.include_router(health.router)
    describe_problems(app)
    if not serve_front_end(app, WEB):
        log.warning("the front end is not built, so there is no page at /: run `make install`")
    return app


def end_streams(app: FastAPI) -> None:
    """End the application's event streams; whoever runs it does so before the wait for open connections."""
    clients = getattr(app.state, "clients", None)
    if isinstance(clients, Clients):
        clients.hub.end()

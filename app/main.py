"""The FastAPI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from logging import getLogger
from pathlib import Path
from threading import Thread

from fastapi import APIRouter, FastAPI
from starlette.types import Receive, Scope, Send

from app.api import events, health, media, monitor, projects, resolve, scenes, session, setup
from app.api.callers import KeyPolicy
from app.api.deps import API_PREFIX, Clients
from app.api.middleware import (
    BodyLimitMiddleware,
    HeadersMiddleware,
    IdempotencyMiddleware,
    LocalOnlyMiddleware,
    MetricsMiddleware,
)
from app.api.problems import PROBLEM_RESPONSES, describe_problems, install_problem_handlers
from app.api.web import serve_front_end
from app.core.celery_app import celery_app
from app.core.config import Settings, describe, load_settings_or_exit, origin_of
from app.core.database import connect_async, ensure_indexes
from app.core.logging import configure_logging
from app.core.media_errors import MediaError
from app.core.redis import Announcer
from app.crud.crud_monitor import Overviews, StoredCounts
from app.services.live.hub import Hub
from app.services.storage import cors
from app.services.storage.bucket import Bucket, open_bucket
from app.tasks.bell import Bell
from app.tasks.checks import Servers
from app.tasks.setup import SetupLooks
from app.tasks.workers import WorkerWatch

WEB = Path(__file__).parent / "web"

log = getLogger(__name__)


class _Application(FastAPI):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await events.serve(super().__call__, scope, receive, send)


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
        bucket = open_bucket(chosen)
        setup_looks, worker_watch = SetupLooks(Servers(chosen, bucket, celery_app)), WorkerWatch()
        try:
            await ensure_indexes(database)
            hub.start()
            Thread(target=_let_pages_read, args=(bucket, chosen.page_origins), daemon=True).start()
            app.state.clients = Clients(
                chosen,
                database,
                bucket,
                bell,
                KeyPolicy(),
                Overviews(),
                announcer,
                hub,
                setup_looks,
                worker_watch,
                StoredCounts(),
            )
            yield
        finally:
            await hub.close()
            await setup_looks.close()
            worker_watch.close()
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
    for module in (session, setup, projects, scenes, resolve, media, events, monitor):
        api.include_router(module.router)
    api.include_router(media.project_router)
    app.include_router(api)
    app.include_router(health.router)
    describe_problems(app)
    if not serve_front_end(app, WEB):
        log.warning("the front end is not built, so there is no page at /: run `make install`")
    return app


def _let_pages_read(bucket: Bucket, origins: list[str]) -> None:
    """Set the bucket's CORS rule; a token that may not, or a bucket without such rules, costs nothing but this."""
    try:
        cors.allow_origins(bucket, origins)
    except MediaError as error:
        log.warning("the bucket's CORS rule was not set (%s): scripts of pages cannot read from it", error)


def end_streams(app: FastAPI) -> None:
    """End the application's event streams; whoever runs it does so before the wait for open connections."""
    clients = getattr(app.state, "clients", None)
    if isinstance(clients, Clients):
        clients.hub.end()

"""The servers that the contracts are proved against: the embedded ones, or those that the environment names.

`TEST_MONGODB_URI` names another MongoDB; `TEST_S3_ENDPOINT_URL`, with `TEST_S3_BUCKET`, `TEST_S3_ACCESS_KEY_ID` and
`TEST_S3_SECRET_ACCESS_KEY`, another S3 whose bucket exists.
"""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.core.config import Settings
from app.core.database import Async, Document, Sync, connect_async, connect_sync, server_now_sync
from app.models.media import ACTIVE, WAITING, Status, milliseconds, new_run
from app.services.storage import keys
from app.services.storage.bucket import Bucket, open_bucket
from tests.servers import embedded_servers, settings_of

_NAMES = ("MONGODB_URI", "S3_ENDPOINT_URL", "S3_REGION", "S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")
_NEEDED = set(_NAMES) - {"S3_REGION", "S3_BUCKET"}
NO_REDIS = "redis://127.0.0.1:1/0"
WORKSPACE = "default"
MAX_ATTEMPTS = 5
LINK = "https://example.com/clip.mp4"


@dataclass(frozen=True)
class Place:
    """One scene's place in the bucket."""

    project_id: str
    scene_id: str

    @property
    def prefix(self) -> str:
        return keys.scene_prefix(self.project_id, self.scene_id)

    def key(self, generation: int, name: str = "original.mp4") -> str:
        return keys.generation_prefix(self.project_id, self.scene_id, generation) + name


def insert_scene(
    database: Sync, status: Status | None, place: Place | None = None, *, deleted: bool = False, **media: Any
) -> Document:
    """A scene in that state (None: without media), as it stands in the database; `media` overrides fields of it.

    What lies ahead of it has come a second ago (a lease's end, a retry, the end of a deletion's grace), so that each
    test says what it needs by `lease=`, `due_ms=` or `deletion_of` alone.
    """
    place = place or Place(str(uuid4()), str(uuid4()))
    now = server_now_sync(database)
    document = {
        "_id": place.scene_id,
        "project_id": place.project_id,
        "workspace": WORKSPACE,
        "position": "a0",
        "text": "",
        "version": 1,
        "media": {**_run(status, now), **media} if status is not None else None,
        "deletion": deletion_of(now, -1) if deleted else None,
        "created_at": now,
        "updated_at": now,
    }
    database["scenes"].insert_one(document)
    return read_scene(database, place.scene_id)


def _run(status: Status, now: datetime) -> Document:
    run = new_run(LINK, 1, status, now=now, wait_seconds=-1, max_attempts=MAX_ATTEMPTS)
    waits = status in WAITING | {Status.PENDING}
    held = lease(now, -1) if status in ACTIVE else None
    return {**run, "requested_at": now, "lease": held, "due_ms": run["due_ms"] if waits else None}


def lease(now: datetime, seconds: float, token: str = "token") -> Document:
    """A lease that ends so many seconds from `now`."""
    started_at = now - timedelta(seconds=60)
    return {"token": token, "worker": "w", "started_at": started_at, "expires_ms": milliseconds(now, seconds)}


def deletion_of(now: datetime, seconds: float, *, with_project: bool = False, final: bool = False) -> Document:
    """A deletion that can be undone for so many seconds from `now`."""
    purge_ms = milliseconds(now, seconds)
    return {"at": now, "purge_ms": purge_ms, "with_project": with_project, "final": final}


def read_scene(database: Sync, scene_id: str) -> Document:
    document = database["scenes"].find_one({"_id": scene_id})
    assert document is not None
    return document


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    named = {name: value for name in _NAMES if (value := os.environ.get(f"TEST_{name}"))}
    configured = {"REDIS_URL": NO_REDIS, **named}
    if set(named) >= _NEEDED:
        yield settings_of(configured)
        return
    with embedded_servers(tmp_path_factory.mktemp("servers"), configured) as environment:
        yield settings_of(environment)


@pytest.fixture
def database_settings(settings: Settings) -> Settings:
    """The settings with a database of this test's own."""
    return settings.model_copy(update={"mongodb_database": f"test-{uuid4().hex[:24]}"})


@pytest.fixture
def database(database_settings: Settings) -> Iterator[Sync]:
    database = connect_sync(database_settings)
    with database.client:
        yield database
        database.client.drop_database(database.name)


@pytest.fixture(scope="module")
def shared_database(settings: Settings) -> Iterator[Sync]:
    """One database for the many tests of a module that each look at a scene of their own alone."""
    database = connect_sync(settings.model_copy(update={"mongodb_database": f"test-{uuid4().hex[:24]}"}))
    with database.client:
        yield database
        database.client.drop_database(database.name)


@pytest.fixture
async def async_database(database: Sync, database_settings: Settings) -> AsyncIterator[Async]:
    """The same database, as the API sees it."""
    handle = connect_async(database_settings)
    async with handle.client:
        yield handle


@pytest.fixture(scope="session")
def shared_bucket(settings: Settings) -> Iterator[Bucket]:
    bucket = open_bucket(settings)
    yield bucket
    bucket.client.close()


@pytest.fixture
def place() -> Place:
    """A scene's place in the bucket, that no other test has."""
    return Place(str(uuid4()), str(uuid4()))


@pytest.fixture
def bucket(shared_bucket: Bucket, place: Place) -> Iterator[Bucket]:
    """The bucket; what a test leaves under `place.prefix` is removed."""
    yield shared_bucket
    shared_bucket.delete(list(shared_bucket.keys(place.prefix)))
    for upload in list(shared_bucket.open_uploads(place.prefix)):
        shared_bucket.abort_upload(upload.key, upload.upload_id)

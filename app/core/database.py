"""The door to MongoDB: clients for the API (async) and the worker (sync), indexes, and the server's clock."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from pymongo import ASCENDING, AsyncMongoClient, IndexModel, MongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database
from pymongo.errors import PyMongoError

from app.core.config import Settings, get_settings

Document = dict[str, Any]
Async = AsyncDatabase[Document]
Sync = Database[Document]

DatabaseError = PyMongoError
"""What the drivers raise when the database does not answer or refuses."""

_CLOCK_MAX_AGE_SECONDS = 60.0
_CLIENT_OPTIONS: dict[str, Any] = {
    "tz_aware": True,
    "serverSelectionTimeoutMS": 5000,
    "connectTimeoutMS": 3000,
    "socketTimeoutMS": 8000,
    "appname": "takeup",
}

INDEXES: dict[str, list[str]] = {
    "projects": ["deletion.purge_ms"],
    "scenes": [
        "project_id",
        "media.status",
        "media.due_ms",
        "media.lease.expires_ms",
        "media.stored_ms",
        "deletion.purge_ms",
        "sweep.at_ms",
    ],
    "api_keys": ["workspace"],
    "sessions": ["key_id", "expires_ms"],
    "idempotency": ["created_at"],
    "holds": ["updated_at"],
    "resolutions": ["workspace", "due_ms", "expires_ms"],
}
"""Each of one field: the embedded database finds nothing by an index of two
(docs/decisions/0006-moments-ahead-are-numbers.md)."""


class ServerClock:
    """The database server's time: read from `hello.localTime`, and counted on by the monotonic clock.

    Leases and retries are dated with it, so that a worker whose own clock is wrong, or is set, steals nothing.
    """

    def __init__(self) -> None:
        self._server_time = datetime.min.replace(tzinfo=UTC)
        self._read_at: float | None = None

    @property
    def stale(self) -> bool:
        return self._read_at is None or time.monotonic() - self._read_at > _CLOCK_MAX_AGE_SECONDS

    def set_from(self, hello: Mapping[str, Any], asked: float) -> None:
        """Take the time from a `hello` that was sent at `asked` (monotonic seconds) and has just been answered."""
        answered = time.monotonic()
        self._server_time = hello["localTime"] + timedelta(seconds=(answered - asked) / 2)
        self._read_at = answered

    def now(self) -> datetime:
        """Only after `set_from`."""
        return self._server_time + timedelta(seconds=time.monotonic() - (self._read_at or 0.0))


_clock = ServerClock()


async def server_now(database: Async) -> datetime:
    """The database server's time (UTC)."""
    if _clock.stale:
        asked = time.monotonic()
        _clock.set_from(await database.client.admin.command("hello", codec_options=database.codec_options), asked)
    return _clock.now()


def server_now_sync(database: Sync) -> datetime:
    """The database server's time (UTC)."""
    if _clock.stale:
        asked = time.monotonic()
        _clock.set_from(database.client.admin.command("hello", codec_options=database.codec_options), asked)
    return _clock.now()


def connect_async(settings: Settings) -> Async:
    """A database handle on a new async client, for one event loop; the caller closes `handle.client`."""
    client: AsyncMongoClient[Document] = AsyncMongoClient(settings.mongodb_uri, **_CLIENT_OPTIONS)
    return client[settings.mongodb_database]


def connect_sync(settings: Settings) -> Sync:
    """A database handle on a new client; never shared across a fork."""
    client: MongoClient[Document] = MongoClient(settings.mongodb_uri, **_CLIENT_OPTIONS)
    return client[settings.mongodb_database]


@cache
def worker_database() -> Sync:
    """The worker process's own handle, made at its first use and so after the fork."""
    return connect_sync(get_settings())


async def ensure_indexes(database: Async) -> None:
    """Create what is missing; what exists is left alone."""
    for collection, fields in INDEXES.items():
        await database[collection].create_indexes([IndexModel([(field, ASCENDING)]) for field in fields])

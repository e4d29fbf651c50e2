"""Something that happens between two steps of another process: just before a command of its reaches the database."""

from collections.abc import Callable
from typing import Any

from pymongo import AsyncMongoClient, MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from app.core.config import Settings
from app.core.database import Async, Document, Sync


class Before(CommandListener):
    """Calls `then` once, before the first command of that name to that collection is sent."""

    def __init__(self, command: str, collection: str, then: Callable[[], object]) -> None:
        self._awaited = (command, collection)
        self._then: Callable[[], object] | None = then

    @property
    def done(self) -> bool:
        return self._then is None

    def started(self, event: CommandStartedEvent) -> None:
        if self._then and (event.command_name, event.command.get(event.command_name)) == self._awaited:
            then, self._then = self._then, None
            then()

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


def sync_database(settings: Settings, listener: CommandListener) -> Sync:
    """The same database through a client of its own, which the listener hears; the caller closes `.client`."""
    client: MongoClient[Document] = MongoClient(settings.mongodb_uri, tz_aware=True, event_listeners=[listener])
    return client[settings.mongodb_database]


def async_database(settings: Settings, listener: CommandListener) -> Async:
    """The same for the API's side."""
    options: dict[str, Any] = {"tz_aware": True, "event_listeners": [listener]}
    client: AsyncMongoClient[Document] = AsyncMongoClient(settings.mongodb_uri, **options)
    return client[settings.mongodb_database]

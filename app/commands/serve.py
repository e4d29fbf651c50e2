"""The long-running processes: the API, a worker, the maintenance worker with beat, and Flower.

Each checks its settings first and says which database, broker and bucket it uses; none starts half.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from socket import socket
from typing import NoReturn

import typer
import uvicorn

from app.core.config import Settings, describe, load_settings_or_exit
from app.core.database import DatabaseError, connect_sync
from app.core.logging import configure_logging
from app.core.security import is_loopback
from app.crud.crud_api_key import any_key_sync
from app.main import create_app, end_streams

_STOP_SECONDS = 5
_KEEP_ALIVE_SECONDS = 75
"""Longer than proxies and clients keep an idle connection: else one sends its next request just as we close."""


def run_api(host: str | None, port: int | None) -> None:
    """Serve the API. Refuses an address that others can reach while no API key exists."""
    settings = load_settings_or_exit()
    address = host or settings.takeup_host
    if not is_loopback(address) and not _has_key(settings):
        typer.echo(
            f"Takeup will not serve {address} to others without an API key: create one with `takeup keys create NAME`.",
            err=True,
        )
        raise typer.Exit(2)
    settings = settings.model_copy(update={"takeup_host": address, "takeup_port": port or settings.takeup_port})
    configure_logging(settings)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=address,
        port=settings.takeup_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    server = _Server(config, partial(end_streams, app))
    server.run()
    if not server.started:
        raise typer.Exit(3)


class _Server(uvicorn.Server):
    """Ends the event streams when it is told to stop, where it would wait for their clients to leave."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)


def _has_key(settings: Settings) -> bool:
    database = connect_sync(settings)
    try:
        return any_key_sync(database)
    except DatabaseError as error:
        typer.echo(f"Takeup cannot start: the database does not answer ({error}).", err=True)
        raise typer.Exit(1) from error
    finally:
        database.client.close()


def run_worker(name: str, queues: str, concurrency: int | None, *, beat: bool) -> NoReturn:
    """Become a Celery worker; on SIGTERM it takes no more work, and finishes what it has or hands it over."""
    settings = load_settings_or_exit()
    for line in describe(settings):
        typer.echo(line, err=True)
    count = concurrency or settings.takeup_concurrency
    arguments = ["--quiet", "worker", "-n", f"{name}@%h", "-Q", queues, "-c", str(count)]
    arguments += ["-l", settings.takeup_log_level, "--without-mingle", "--without-gossip"]
    _become_celery([*arguments, *(["--beat"] if beat else [])])


def run_flower(address: str, port: int) -> NoReturn:
    """Become Flower, Celery's own monitor."""
    load_settings_or_exit()
    _become_celery(["flower", f"--address={address}", f"--port={port}"])


def _become_celery(arguments: list[str]) -> NoReturn:
    command = [sys.executable, "-m", "celery", "-A", "app.core.celery_app", *arguments]
    os.execv(command[0], command)  # noqa: S606 - our own interpreter, no shell

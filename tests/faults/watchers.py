"""Many pages that are open at once, each of which connects again when its stream ends, as a browser does."""

import asyncio
import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

_RECONNECT_SECONDS = (0.5, 1.0)
_LONGEST_LINE = 1 << 24

Versions = Mapping[str, int]


class Watcher:
    """One page; `slowest` is how long it took at most from connecting to showing what stood when it connected."""

    def __init__(self, address: str, path: str, written: Versions) -> None:
        self._host, self._port = urlsplit(address).hostname, urlsplit(address).port
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        self._written = written
        self._writer: asyncio.StreamWriter | None = None
        self.versions: dict[str, int] = {}
        self.connections = 0
        self.slowest = 0.0
        self.wrong: list[str] = []

    async def live(self) -> None:
        self._loop = asyncio.get_running_loop()
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._connect()
            await asyncio.sleep(random.uniform(*_RECONNECT_SECONDS))

    def drop(self) -> None:
        """Lose the connection without a word."""
        if self._writer is not None:
            self._loop.call_soon_threadsafe(self._writer.transport.abort)

    async def _connect(self) -> None:
        reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=_LONGEST_LINE)
        began, stood = time.monotonic(), dict(self._written)
        try:
            self._writer.write(self._request)
            name, shown = "", False
            while line := (await reader.readline()).decode():
                field, _, value = line.rstrip().partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    self._show(name, json.loads(value))
                if not shown and name and self.shows(stood):
                    shown = True
                    self.connections += 1
                    self.slowest = max(self.slowest, time.monotonic() - began)
        finally:
            writer, self._writer = self._writer, None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _show(self, name: str, data: dict[str, Any]) -> None:
        for scene in data["scenes"] if name == "snapshot" else [data] if name == "scene" else []:
            if scene["version"] < self.versions.get(scene["id"], 0):
                self.wrong.append(f"version {self.versions[scene['id']]} was followed by {scene['version']}")
            self.versions[scene["id"]] = scene["version"]

    def shows(self, stood: Versions) -> bool:
        return all(self.versions.get(scene_id, 0) >= version for scene_id, version in stood.items())


@contextmanager
def watching(address: str, path: str, count: int, written: Versions) -> Iterator[list[Watcher]]:
    """So many pages on this stream, in a thread of their own; `written` is what each must show."""
    watchers = [Watcher(address, path, written) for _ in range(count)]
    stop = Event()
    thread = Thread(target=lambda: asyncio.run(_live(watchers, stop)), daemon=True)
    thread.start()
    try:
        yield watchers
    finally:
        stop.set()
        thread.join()


async def _live(watchers: list[Watcher], stop: Event) -> None:
    pages = [asyncio.create_task(watcher.live()) for watcher in watchers]
    await asyncio.to_thread(stop.wait)
    for page in pages:
        page.cancel()
    await asyncio.gather(*pages, return_exceptions=True)

"""The first look at a new set-up: the checks, for all who ask, and a picture by which a browser tries the bucket."""

import asyncio
import time
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from logging import getLogger
from threading import Thread
from typing import TypeVar

from app.core.media_errors import MediaError
from app.services.storage.keys import PICTURE_KEY
from app.tasks.checks import SETUP_CHECKS, Finding, Servers, examine

_FRESH_SECONDS = 3.0
_PATIENCE_SECONDS = 8.0
_PICTURE_SECONDS = 60
_PICTURE = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
"""A PNG of one pixel."""

T = TypeVar("T")

log = getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """What was found, and where the picture lies; None where the bucket did not take it."""

    findings: list[Finding]
    picture_url: str | None


class SetupLooks:
    """Looks at the set-up at most every three seconds, however many ask, and never in the event loop.

    A server may hold a check up for minutes; until it has ended, that check is not begun again.
    """

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._looking = asyncio.Lock()
        self._last: tuple[Look, float] | None = None
        self._running: dict[str, asyncio.Future[Finding]] = {}
        self._removal: asyncio.Task[None] | None = None

    async def look(self) -> Look:
        """The last look, or a new one where that is too old."""
        async with self._looking:
            if self._last is None or time.monotonic() - self._last[1] > _FRESH_SECONDS:
                self._last = await self._look_anew(), time.monotonic()
            return self._last[0]

    async def close(self) -> None:
        """Remove the picture, if it may still lie there."""
        if self._removal is not None:
            self._removal.cancel()
            with suppress(MediaError, TimeoutError):
                await asyncio.wait_for(_in_thread(self._remove), 1)

    async def _look_anew(self) -> Look:
        for name in SETUP_CHECKS:
            if name not in self._running or self._running[name].done():
                self._running[name] = _in_thread(lambda name=name: examine(name, self._servers))  # type: ignore[misc]
        await asyncio.wait(self._running.values(), timeout=_PATIENCE_SECONDS)
        findings = [self._finding(name) for name in SETUP_CHECKS]
        bucket_is_well = any(finding.ok and finding.name == "bucket" for finding in findings)
        return Look(findings, await self._picture() if bucket_is_well else None)

    def _finding(self, name: str) -> Finding:
        running = self._running[name]
        if running.done():
            return running.result()
        seen = f"It has not answered for {_PATIENCE_SECONDS:.0f} seconds."
        return Finding(name, ok=False, seen=seen, remedy="See whether it runs, and what stands between.")

    async def _picture(self) -> str | None:
        if self._removal is not None:
            self._removal.cancel()
        self._removal = asyncio.create_task(self._remove_later())
        try:
            return await asyncio.wait_for(_in_thread(self._put), _PATIENCE_SECONDS)
        except (MediaError, TimeoutError) as error:
            log.warning("the picture by which a browser tries the bucket: %s", error)
            return None

    def _put(self) -> str:
        self._servers.bucket.put(PICTURE_KEY, _PICTURE, "image/png", only_new=False)
        return self._servers.bucket.presigned_url(PICTURE_KEY, "image/png", "inline", _PICTURE_SECONDS)

    def _remove(self) -> None:
        self._servers.bucket.delete([PICTURE_KEY])

    async def _remove_later(self) -> None:
        await asyncio.sleep(_PICTURE_SECONDS)
        self._removal = None
        with suppress(MediaError):
            await _in_thread(self._remove)


def _in_thread(work: Callable[[], T]) -> "asyncio.Future[T]":
    """The result of blocking work, in a thread of its own that holds neither others nor the process's end up."""
    result: Future[T] = Future()
    result.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result.set_result(work())
        except Exception as error:  # noqa: BLE001 - it is for whoever waits
            result.set_exception(error)

    Thread(target=run, daemon=True).start()
    return asyncio.wrap_future(result)

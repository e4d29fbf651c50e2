"""An open page, as the hub knows it: what it was sent, and what it would show."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from app.core.database import Document
from app.crud.crud_session import Caller
from app.services.live.hub import Hub
from tests.servers import T


class Page:
    """Takes every chunk at once, unless `reading` is cleared; notes what a page must never see."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.names: list[str] = []
        self.scenes: dict[str, dict[str, Any]] = {}
        self.title = ""
        self.ended = False
        self.wrong: list[str] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.leave: Callable[[], None] = lambda: None

    def open(self, hub: Hub, project: Document, caller: Caller | None = None) -> "Page":
        self.leave = hub.join(project["_id"], caller or Caller(project["workspace"]), self._write)
        return self

    async def _write(self, chunk: bytes, more: bool) -> None:
        if not self.reading.is_set():
            await self.reading.wait()
        self.chunks.append(chunk)
        self.ended = not more
        for block in chunk.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "event" in fields:
                self.names.append(fields["event"])
                self._show(fields["event"], json.loads(fields["data"]))

    def _show(self, name: str, data: dict[str, Any]) -> None:
        if name == "snapshot":
            self.title = data["title"]
            self._note_older(data["scenes"])
            self.scenes = {scene["id"]: scene for scene in data["scenes"]}
        elif not self.scenes and not self.title:
            self.wrong.append(f"{name} came before the snapshot")
        elif name == "scene":
            self._note_older([data])
            self.scenes[data["id"]] = data
        elif name == "scene_deleted":
            self.scenes.pop(data["id"], None)
        elif name == "project":
            self.title = data["title"]

    def _note_older(self, scenes: list[dict[str, Any]]) -> None:
        for scene in scenes:
            before = self.scenes.get(scene["id"], scene)["version"]
            if scene["version"] < before:
                self.wrong.append(f"version {before} was followed by {scene['version']}")

    @property
    def versions(self) -> dict[str, int]:
        return {scene_id: scene["version"] for scene_id, scene in self.scenes.items()}

    def text(self, scene: Document) -> str | None:
        shown = self.scenes.get(scene["_id"])
        return shown["text"] if shown else None


async def until(look: Callable[[], T | None], seconds: float, what: str) -> T:
    """The first true value that `look` gives, with the event loop running meanwhile."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)

"""`takeup store`: links in, a progress bar each, and exit code 0 only when all of them are stored."""

import json
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from app.commands.client import Connection, NoServerError, TakeupClient

_NAME_WIDTH = 36
_STYLES = {"ready": "green", "failed": "red", "canceled": "yellow", "retrying": "yellow"}


def shorten(url: str, width: int = _NAME_WIDTH) -> str:
    """The link without its scheme, its middle left out where it is long."""
    text = url.partition("://")[2] or url
    return text if len(text) <= width else f"{text[: width // 2 - 1]}…{text[-width // 2 :]}"


class ProgressBars:
    """One bar for each scene, with its state in words, its bytes, speed and time left."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[state]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def add(self, scene_id: str, url: str) -> None:
        self._tasks[scene_id] = self.progress.add_task(escape(shorten(url)), total=100, state="queued")

    def show(self, scene: dict[str, Any]) -> None:
        """Bring the scene's bar to where its media stands."""
        media = scene["media"]
        progress = media["progress"] or {}
        percent = 100 if media["status"] == "ready" else progress.get("percent") or 0
        self.progress.update(self._tasks[scene["id"]], completed=percent, state=_in_words(media, progress))


def _in_words(media: dict[str, Any], progress: dict[str, Any]) -> str:
    state: str = media["status"]
    style = _STYLES.get(state, "default")
    words = [f"[{style}]{state}[/]"]
    if media["error"]:
        words.append(escape(media["error"]["message"]))
    elif media["original"]:
        words.append(decimal(media["original"]["bytes"]))
    elif progress.get("bytes_done"):
        total = progress["bytes_total"]
        words.append(f"{decimal(progress['bytes_done'])} of {decimal(total) if total else 'unknown'}")
        words.append("stalled" if progress["stalled"] else f"{decimal(progress['speed_bps'])}/s")
        if progress["eta_s"]:
            words.append(f"{progress['eta_s']:.0f} s left")
    return ", ".join(words)


def run_store(
    connection: Connection, urls: Sequence[str], project_id: str | None, max_height: int | None, *, as_json: bool
) -> None:
    """Store the links and wait for each; with `as_json` one JSON document at the end instead of bars."""
    console = Console(stderr=True, quiet=as_json)
    try:
        with TakeupClient(connection) as client:
            project, scene_ids = client.store(urls, project_id, max_height)
            scenes = follow(client, project, dict(zip(scene_ids, urls, strict=True)), console)
    except NoServerError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        typer.echo("The links are being stored in the background; `takeup status` shows how far they are.", err=True)
        raise typer.Exit(130) from error
    if as_json:
        typer.echo(json.dumps({"project_id": project, "scenes": scenes}, indent=2))
    if any(scene["media"]["status"] != "ready" for scene in scenes):
        raise typer.Exit(1)


def follow(client: TakeupClient, project_id: str, links: dict[str, str], console: Console) -> list[dict[str, Any]]:
    """Show a bar for each scene (id to link) until all have come to their end; the scenes, in order."""
    bars = ProgressBars(console)
    last: dict[str, dict[str, Any]] = {}
    with bars.progress:
        for scene_id, url in links.items():
            bars.add(scene_id, url)
        for scene in client.watch(project_id, list(links)):
            last[scene["id"]] = scene
            bars.show(scene)
    return [last[scene_id] for scene_id in links]

"""`takeup resolve`: what is behind a link, before anything of it is stored."""

import json
import time
from typing import Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from app.commands.client import Connection, NoServerError, TakeupClient

_LOOK_SECONDS = 0.5


def run_resolve(connection: Connection, url: str, max_height: int | None, *, as_json: bool) -> None:
    """Wait for the answer and show it; exit code 0 only where the link can be stored."""
    try:
        with TakeupClient(connection) as client:
            resolution = client.post("/media/resolve", {"url": url, "max_height": max_height})
            while resolution["status"] == "resolving":
                time.sleep(_LOOK_SECONDS)
                resolution = client.get(f"/media/resolve/{resolution['id']}")
    except NoServerError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(json.dumps(resolution, indent=2))
    else:
        Console().print(_table(resolution))
    if not resolution["available"]:
        raise typer.Exit(1)


def _table(resolution: dict[str, Any]) -> Table:
    media = resolution["media"] or {}
    table = Table(title=escape(media.get("title") or resolution["url"]), show_header=False, title_justify="left")
    if resolution["error"]:
        error = resolution["error"]
        table.add_row(
            "can be stored", f"[red]no: {escape(error['message'])}[/] {escape(error['hint'])} ({error['code']})"
        )
    else:
        table.add_row("can be stored", "[green]yes[/]")
    for name in ("kind", "content_type", "entries"):
        if media.get(name) is not None:
            table.add_row(name.replace("_", " "), escape(str(media[name])))
    if media.get("duration_s") is not None:
        table.add_row("duration", f"{media['duration_s']:.0f} s")
    if media.get("bytes") is not None:
        table.add_row("size", decimal(media["bytes"]))
    for item in media.get("formats", []):
        table.add_row("stored" if item["stored"] else "also there", escape(_in_words(item)))
    return table


def _in_words(item: dict[str, Any]) -> str:
    words = [item["id"], item["name"], item["container"], item["video_codec"], item["audio_codec"]]
    words += [f"{item['height']} lines" if item["height"] else None, decimal(item["bytes"]) if item["bytes"] else None]
    return ", ".join(word for word in words if word)

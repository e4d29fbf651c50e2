"""`takeup demo`: the main job on real media, without internet.

The whole stack runs on a temporary data folder, a local origin serves media made with ffmpeg, each link is stored
through the API, and one table tells what became of it.
"""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from app.commands.client import Connection, TakeupClient
from app.commands.stack import Stack, StackOptions
from app.commands.store import follow
from app.core.errors import TakeupError
from app.demo.origin import Origin
from app.demo.samples import make_samples
from app.embedded.data_folder import DataFolderLock
from app.embedded.supervisor import Supervisor

_PLAIN_WIDTH = 160
_ENVIRONMENT = {"TAKEUP_ALLOW_NETWORKS": "127.0.0.1/32", "TAKEUP_LOG_LEVEL": "WARNING"}


@dataclass(frozen=True)
class Case:
    """One link, and how it should end: `same_bytes` of which sample is stored, or with which code it fails."""

    path: str
    kind: str = ""
    same_bytes: bool = False
    code: str = ""


CASES = (
    Case("clip.mp4", kind="video", same_bytes=True),
    Case("clip.webm", kind="video", same_bytes=True),
    Case("tone.mp3", kind="audio", same_bytes=True),
    Case("photo.jpg", kind="image", same_bytes=True),
    Case("loop.gif", kind="image", same_bytes=True),
    Case("hls/master.m3u8", kind="video"),
    Case("dash/manifest.mpd", kind="video"),
    Case("watch.html", kind="video"),
    Case("status/404", code="link.not_found"),
    Case("article.html", code="link.unsupported"),
)


def run_demo() -> None:
    """Exit code 0 only if each link ended as it should."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH)
    with tempfile.TemporaryDirectory(prefix="takeup-demo-") as folder:
        data_dir = Path(folder)
        console.print("Making the media and starting the stack ...")
        make_samples(data_dir / "samples")
        try:
            with DataFolderLock(data_dir) as lock, Origin(data_dir / "samples") as origin:
                ended_well = asyncio.run(_run(lock, data_dir, origin, console))
        except TakeupError as error:
            typer.echo(f"{error.sentence}\n{error.hint}", err=True)
            raise typer.Exit(1) from error
    console.print("[green]Every link ended as it should.[/]" if ended_well else "[red]Not as it should be.[/]")
    raise typer.Exit(0 if ended_well else 1)


async def _run(lock: DataFolderLock, data_dir: Path, origin: Origin, console: Console) -> bool:
    stack = Stack(StackOptions(data_dir, port=0, environment=_ENVIRONMENT, isolated=True))
    verdict: list[bool] = []

    async def bring_up(supervisor: Supervisor) -> None:
        await stack.start(supervisor, lock)
        console.print(f"Takeup is ready at {stack.url}")
        verdict.append(await asyncio.to_thread(_store_all, stack.url, origin, console))
        supervisor.request_stop()

    await Supervisor(data_dir, quiet=True).run(bring_up)
    return verdict == [True]


def _store_all(url: str, origin: Origin, console: Console) -> bool:
    links = [origin.url(case.path) for case in CASES]
    started = time.monotonic()
    with TakeupClient(Connection(url)) as client:
        project, scene_ids = client.store(links, None)
        scenes = follow(client, project, dict(zip(scene_ids, links, strict=True)), console)
        rows = [_row(case, scene, origin) for case, scene in zip(CASES, scenes, strict=True)]
    console.print(_table(rows))
    console.print(f"{len(rows)} links in {time.monotonic() - started:.1f} s")
    return all(well for well, _ in rows)


def _row(case: Case, scene: dict[str, Any], origin: Origin) -> tuple[bool, list[str]]:
    """Whether the scene ended as the case says, and its line of the table."""
    media = scene["media"]
    if media["status"] == "failed":
        error = media["error"]
        well = error["code"] == case.code
        return well, [
            _mark(well),
            case.path,
            "failed",
            "",
            "",
            "",
            "",
            _seconds(media),
            f"{error['code']}: {error['message']}",
        ]
    if media["status"] != "ready":
        return False, [_mark(ok=False), case.path, media["status"], "", "", "", "", "", ""]
    original, probe = media["original"], media["probe"]
    equal = original["checksum"] == f"sha256:{origin.sha256(case.path)}" if case.same_bytes else None
    well = not case.code and probe["kind"] == case.kind and equal is not False
    size = f"{probe['width']} x {probe['height']}" if probe["width"] else ""
    duration = f"{probe['duration_s']:.1f} s" if probe["duration_s"] else ""
    digest = {True: "SHA-256 equal", False: "[red]SHA-256 differs[/]", None: "extracted by yt-dlp"}[equal]
    cells = [case.path, "ready", probe["kind"], duration, size, f"{original['bytes']:,}", _seconds(media), digest]
    return well, [_mark(well), *cells]


def _mark(ok: bool) -> str:
    return "[green]✓[/]" if ok else "[red]✗[/]"


def _seconds(media: dict[str, Any]) -> str:
    started, ended = (datetime.fromisoformat(media[name]) for name in ("requested_at", "status_at"))
    return f"{(ended - started).total_seconds():.1f}"


def _table(rows: list[tuple[bool, list[str]]]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("")
    for name in ("link", "state", "kind", "duration", "pixels", "bytes", "seconds"):
        table.add_column(name, no_wrap=True, justify="right" if name in {"duration", "bytes", "seconds"} else "left")
    table.add_column("result", overflow="fold")
    for _, cells in rows:
        table.add_row(*cells)
    return table

"""`takeup audit`: what is wrong between database, bucket and disk; with `--fix`, mended."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from app.core.config import Settings
from app.core.database import DatabaseError, connect_sync
from app.core.media_errors import MediaError
from app.crud.crud_audit import is_empty
from app.services.audit import audit
from app.services.audit_finding import Auditor, Counts, Finding, Kind
from app.services.storage.bucket import open_bucket

_SHOWN = 50

_TITLES = {
    Kind.ORPHAN_OBJECT: "objects that no scene owns",
    Kind.STRAY_OBJECT: "objects under foreign keys",
    Kind.MISSING_OBJECT: "objects that are missing",
    Kind.ORPHAN_UPLOAD: "unfinished uploads that no scene owns",
    Kind.SCRATCH_FOLDER: "scratch folders of dead jobs",
    Kind.IMPOSSIBLE_STATE: "scenes in impossible states",
}
_MARKS = {"found": "[yellow]FOUND[/] ", "fixed": "[green]FIXED[/] ", "failed": "[red]FAILED[/]"}


@dataclass
class Tally:
    """The findings of one kind: how many, their bytes, how many are mended, and the first of them."""

    count: int = 0
    bytes: int = 0
    fixed: int = 0
    first: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        self.count += 1
        self.bytes += finding.bytes
        self.fixed += finding.outcome == "fixed"
        if len(self.first) < _SHOWN:
            self.first.append(finding)


def run_audit(settings: Settings, *, fix: bool, grace_seconds: float, empty_database: bool, as_json: bool) -> None:
    """Exit code 0 where nothing is wrong (any more), 1 where something is, 2 where a server does not answer."""
    database = connect_sync(settings)
    try:
        auditor = Auditor(
            database,
            open_bucket(settings),
            settings,
            timedelta(seconds=grace_seconds),
            fix=fix,
            spare_files=fix and not empty_database and is_empty(database),
        )
        tallies: dict[Kind, Tally] = defaultdict(Tally)
        with _progress(auditor.counts, shown=not (as_json and sys.stdout.isatty())):
            for finding in audit(auditor):
                tallies[finding.kind].add(finding)
                if as_json:
                    typer.echo(json.dumps(asdict(finding)))
    except DatabaseError as error:
        typer.echo(f"The database does not answer: {str(error).partition(',')[0]}", err=True)
        raise typer.Exit(2) from error
    except MediaError as error:
        typer.echo(f"{error.sentence} {error.hint}", err=True)
        raise typer.Exit(2) from error
    finally:
        database.client.close()
    remaining = sum(tally.count - tally.fixed for tally in tallies.values())
    if as_json:
        typer.echo(json.dumps(_summary(tallies, auditor.counts, remaining)))
    else:
        _show(tallies, auditor, remaining)
    if remaining:
        raise typer.Exit(1)


@contextmanager
def _progress(counts: Counts, *, shown: bool) -> Iterator[None]:
    """How far it is, on a terminal alone."""
    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield
        return

    def line() -> Text:
        return Text(f"{counts.projects} projects, {counts.scenes} scenes, {counts.objects} objects ...")

    with Live(get_renderable=line, console=console, transient=True, redirect_stdout=False, redirect_stderr=False):
        yield


def _summary(tallies: dict[Kind, Tally], counts: Counts, remaining: int) -> dict[str, object]:
    kinds = {
        kind: {"count": tallies[kind].count, "bytes": tallies[kind].bytes, "fixed": tallies[kind].fixed}
        for kind in Kind
    }
    return {"summary": kinds, "looked_at": asdict(counts), "remaining": remaining}


def _show(tallies: dict[Kind, Tally], auditor: Auditor, remaining: int) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for kind, title in _TITLES.items():
        tally = tallies[kind]
        mended = f", {tally.fixed} fixed" if auditor.fix and tally.count else ""
        amount = f"{tally.count:>8}   {decimal(tally.bytes)}{mended}" if tally.count else f"{'none':>8}"
        console.print(f"{title:<39}{amount}")
    for kind in (kind for kind in _TITLES if tallies[kind].count):
        console.print(f"\n[bold]{_TITLES[kind].capitalize()}[/]")
        for finding in tallies[kind].first:
            console.print(_line(finding))
        if more := tallies[kind].count - len(tallies[kind].first):
            console.print(f"and {more} more")
    console.print(f"\n{_advice(tallies, auditor, remaining)}")


def _line(finding: Finding) -> str:
    end = f"--fix would {finding.remedy}" if finding.outcome == "found" else finding.remedy
    reason = f" [red]({escape(finding.reason)})[/]" if finding.reason else ""
    said = escape(f"{finding.where}   {decimal(finding.bytes)}   {finding.detail}: {end}")
    return f"{_MARKS[finding.outcome]} {said}{reason}"


def _advice(tallies: dict[Kind, Tally], auditor: Auditor, remaining: int) -> str:
    counts = auditor.counts
    seen = f"{counts.projects} projects, {counts.scenes} scenes, {counts.objects} objects, {counts.uploads} uploads"
    if not any(tally.count for tally in tallies.values()):
        return f"Nothing is wrong: {seen} looked at."
    if not remaining:
        return "Everything that was found is fixed."
    if not auditor.fix:
        return "Nothing was changed. Run it with --fix to do what each line says."
    if auditor.spare_files:
        return "The database is empty. If it is the right one, add --empty-database to delete the files."
    return f"{remaining} could not be fixed: see the reason at each, and run it again."

"""`takeup status`: what the service is doing, in one table."""

import json
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.commands.client import Connection, NoServerError, TakeupClient


def run_status(connection: Connection, *, as_json: bool) -> None:
    try:
        with TakeupClient(connection) as client:
            monitor = client.get("/monitor")
    except NoServerError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(json.dumps(monitor, indent=2))
    else:
        Console().print(_table(connection.url, monitor))


def _table(url: str, monitor: dict[str, Any]) -> Table:
    table = Table(title=f"Takeup at {url}", show_header=False, title_justify="left")
    wait = monitor["oldest_wait_s"]
    workers = monitor["workers"]
    table.add_row("waiting", f"{monitor['waiting']}" + (f" (the oldest for {wait:.0f} s)" if wait is not None else ""))
    table.add_row("active", str(monitor["active"]))
    for state, count in sorted(monitor["scenes"].items()):
        table.add_row(f"scenes {state}", str(count))
    for code, count in sorted(monitor["failures"].items()):
        table.add_row(f"failed by {code}", f"[red]{count}[/]")
    for hold in monitor["holds"]:
        remedy = f"{hold['message']} {hold['hint']} (tried again at {hold['next_trial_at']})"
        table.add_row(f"held: {hold['subject']}", f"[red]{escape(remedy)}[/]")
    none = "[red]none: start one with `takeup worker`[/]"
    silent = "[red]the broker does not answer[/]"
    table.add_row("workers", silent if workers is None else ", ".join(workers) or none)
    if monitor["flower_url"]:
        table.add_row("Flower", monitor["flower_url"])
    return table

"""`takeup doctor`: is everything there that Takeup needs? Numbered checks, each OK, a note, or with its remedy."""

import json
from dataclasses import asdict

import typer
from rich.console import Console

from app.core.celery_app import make_celery
from app.core.config import Settings
from app.services.storage.bucket import open_bucket
from app.tasks.checks import CHECKS, Servers, examine


def run_doctor(settings: Settings, *, as_json: bool) -> None:
    """Run every check; exit code 1 where one did not pass."""
    console = Console(quiet=as_json)
    servers = Servers(settings, open_bucket(settings), make_celery(lambda: settings))
    findings = []
    for number, name in enumerate(CHECKS, 1):
        finding = examine(name, servers)
        findings.append(finding)
        mark = "[red]FAIL[/]" if not finding.ok else "[yellow]NOTE[/]" if finding.remedy else "[green]OK[/]  "
        detail = f" ({finding.detail})" if finding.detail else ""
        console.print(f"{number}. {mark} {name:<19}", finding.seen, detail, sep="", highlight=False, soft_wrap=True)
        if finding.remedy:
            console.print(f"          [yellow]{finding.remedy}[/]", highlight=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)

"""`takeup keys`: make, list and revoke API keys."""

import typer
from rich.console import Console
from rich.table import Table

from app.core.config import Settings
from app.core.database import connect_sync
from app.crud import crud_api_key


def run_create(settings: Settings, name: str, workspace: str) -> None:
    key = crud_api_key.create_key(connect_sync(settings), name, workspace)
    typer.echo(f"This key is shown once. It opens the workspace {workspace!r}:", err=True)
    typer.echo(key)


def run_list(settings: Settings) -> None:
    table = Table("name", "workspace", "created")
    for key in crud_api_key.list_keys(connect_sync(settings)):
        table.add_row(key["name"], key["workspace"], key["created_at"].isoformat(timespec="seconds"))
    Console().print(table)


def run_revoke(settings: Settings, name: str) -> None:
    if not crud_api_key.revoke_key(connect_sync(settings), name):
        typer.echo(f"There is no key named {name!r}; `takeup keys list` shows which there are.", err=True)
        raise typer.Exit(1)
    typer.echo(f"The key {name!r} opens nothing any more.")

"""`takeup up`: the whole service, until Ctrl-C."""

import asyncio

import typer

from app.commands.stack import InvalidSettingsError, Stack, StackOptions
from app.core.errors import TakeupError
from app.embedded.data_folder import DataFolderLock
from app.embedded.supervisor import Supervisor


def run_up(options: StackOptions) -> None:
    """Run everything; one line says when it is ready, and where."""
    try:
        with DataFolderLock(options.data_dir) as lock:
            stack = Stack(options)

            async def bring_up(supervisor: Supervisor) -> None:
                await stack.start(supervisor, lock)
                typer.echo(f"Takeup is ready at {stack.url}")

            code = asyncio.run(Supervisor(options.data_dir).run(bring_up))
    except InvalidSettingsError as error:
        typer.echo("Takeup cannot start with these settings:", err=True)
        for line in error.lines:
            typer.echo(f"  {line}", err=True)
        raise typer.Exit(2) from error
    except TakeupError as error:
        typer.echo(f"{error.sentence}\n{error.hint}", err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(code)

"""The command line: each command is a function that hands over to its module in `commands/`."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands import serve
from app.commands.client import Connection, NoServerError
from app.core.config import Settings, load_settings_or_exit
from app.embedded.data_folder import read_running
from app.models.media import MAX_HEIGHT, MIN_HEIGHT

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Takeup takes in media from links.")
keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
app.add_typer(keys, name="keys")

DataDir = Annotated[Path, typer.Option(help="Where embedded mode keeps its data.", envvar="TAKEUP_DATA_DIR")]
Server = Annotated[str | None, typer.Option(help="Address of a running Takeup.", envvar="TAKEUP_URL")]
Key = Annotated[str | None, typer.Option(help="API key.", envvar="TAKEUP_API_KEY")]
MaxHeight = Annotated[
    int | None,
    typer.Option(
        help="The picture's height in pixels at most (default and limit: TAKEUP_MAX_HEIGHT).",
        min=MIN_HEIGHT,
        max=MAX_HEIGHT,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

_DATA_DIR = Path(".takeup")


def _connection(server: str | None, key: str | None, data_dir: Path) -> Connection:
    try:
        return Connection.find(server, key, data_dir)
    except NoServerError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _settings(data_dir: Path) -> Settings:
    """The settings of the `takeup up` that runs in this data folder, else those of the environment."""
    running = read_running(data_dir)
    if running is None:
        return load_settings_or_exit()
    return Settings.model_validate({name.lower(): value for name, value in running.environment.items()})


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to serve; others than loopback need an API key.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve (default 8000, or any free one).")] = None,
    data_dir: DataDir = _DATA_DIR,
    concurrency: Annotated[int | None, typer.Option(help="Downloads at once.", min=1)] = None,
) -> None:
    """Run everything on this machine: servers that are not configured, API, workers and Flower."""
    from app.commands.stack import StackOptions  # noqa: PLC0415 - not needed by a worker or the API
    from app.commands.up import run_up  # noqa: PLC0415 - as above

    run_up(StackOptions(data_dir=data_dir, host=host, port=port, concurrency=concurrency))


@app.command()
def demo() -> None:
    """Store real media from a local origin, without internet, and show what became of each link."""
    from app.commands.demo import run_demo  # noqa: PLC0415 - as above

    run_demo()


@app.command()
def store(  # noqa: PLR0917 - Typer reads them by name
    urls: Annotated[list[str], typer.Argument(help="Links to media, or to pages that hold it.")],
    project: Annotated[str | None, typer.Option(help="Id of the project; a new one if not given.")] = None,
    max_height: MaxHeight = None,
    server: Server = None,
    key: Key = None,
    data_dir: DataDir = _DATA_DIR,
    as_json: Json = False,
) -> None:
    """Store links, with a progress bar each; exit code 0 only when all of them are stored."""
    from app.commands.store import run_store  # noqa: PLC0415 - as above

    run_store(_connection(server, key, data_dir), urls, project, max_height, as_json=as_json)


@app.command()
def resolve(  # noqa: PLR0917 - as above
    url: Annotated[str, typer.Argument(help="Link to media, or to a page that holds it.")],
    max_height: MaxHeight = None,
    server: Server = None,
    key: Key = None,
    data_dir: DataDir = _DATA_DIR,
    as_json: Json = False,
) -> None:
    """Tell what is behind a link without storing it; exit code 0 only where it can be stored."""
    from app.commands.resolve import run_resolve  # noqa: PLC0415 - as above

    run_resolve(_connection(server, key, data_dir), url, max_height, as_json=as_json)


@app.command()
def status(server: Server = None, key: Key = None, data_dir: DataDir = _DATA_DIR, as_json: Json = False) -> None:
    """Show what the service is doing."""
    from app.commands.status import run_status  # noqa: PLC0415 - as above

    run_status(_connection(server, key, data_dir), as_json=as_json)


@app.command()
def doctor(data_dir: DataDir = _DATA_DIR, as_json: Json = False) -> None:
    """Check everything that Takeup needs; exit code 1 where something is missing."""
    from app.commands.doctor import run_doctor  # noqa: PLC0415 - as above

    run_doctor(_settings(data_dir), as_json=as_json)


@app.command()
def audit(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is found; without it nothing is changed.")] = False,
    grace: Annotated[float, typer.Option(help="Leave alone what is younger, in seconds.", min=0)] = 3600,
    empty_database: Annotated[
        bool, typer.Option("--empty-database", help="Let --fix delete files though the database is empty.")
    ] = False,
    data_dir: DataDir = _DATA_DIR,
    as_json: Json = False,
) -> None:
    """Compare database, bucket and disk; exit code 1 where something is wrong."""
    from app.commands.audit import run_audit  # noqa: PLC0415 - as above

    run_audit(_settings(data_dir), fix=fix, grace_seconds=grace, empty_database=empty_database, as_json=as_json)


@app.command()
def api(
    host: Annotated[str | None, typer.Option(help="Address to serve (default TAKEUP_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve (default TAKEUP_PORT).")] = None,
) -> None:
    """Serve the API."""
    serve.run_api(host, port)


@app.command()
def worker(
    maintenance: Annotated[bool, typer.Option(help="Run beat and the reconciler instead of downloads.")] = False,
    concurrency: Annotated[int | None, typer.Option(help="Downloads at once.", min=1)] = None,
) -> None:
    """Run a worker: for downloads, or the one that keeps every promise (one such worker is enough)."""
    if maintenance:
        serve.run_worker("maintenance", "maintenance", 1, beat=True)
    serve.run_worker("media", "rescued,resolving,media,cleaning", concurrency, beat=False)


@app.command(hidden=True)
def flower(
    port: Annotated[int, typer.Option(help="Port to serve.")] = 5555,
    host: Annotated[str, typer.Option(help="Address to serve.")] = "127.0.0.1",
) -> None:
    """Run Flower, Celery's own monitor."""
    serve.run_flower(host, port)


@keys.command("create")
def create_key(name: str, workspace: str = "default", data_dir: DataDir = _DATA_DIR) -> None:
    """Make a key; it is shown once."""
    from app.commands.keys import run_create  # noqa: PLC0415 - as above

    run_create(_settings(data_dir), name, workspace)


@keys.command("list")
def list_keys(data_dir: DataDir = _DATA_DIR) -> None:
    """List the keys, without what they open with."""
    from app.commands.keys import run_list  # noqa: PLC0415 - as above

    run_list(_settings(data_dir))


@keys.command("revoke")
def revoke_key(name: str, data_dir: DataDir = _DATA_DIR) -> None:
    """Make every key of that name worthless."""
    from app.commands.keys import run_revoke  # noqa: PLC0415 - as above

    run_revoke(_settings(data_dir), name)


if __name__ == "__main__":
    app()

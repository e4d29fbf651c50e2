"""`takeup doctor`: is everything there that Takeup needs? Numbered checks, each OK or with its remedy."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from uuid import uuid4

import typer
from deno import find_deno_bin
from imageio_ffmpeg import get_ffmpeg_exe
from kombu.exceptions import OperationalError
from rich.console import Console

from app.core.celery_app import make_celery, online_workers
from app.core.config import Settings, without_credentials
from app.core.database import DatabaseError, connect_sync
from app.core.media_errors import MediaError
from app.services.storage.bucket import open_bucket

_OLD_EXTRACTOR_DAYS = 90
_LEAST_FREE_BYTES = 2 << 30


@dataclass(frozen=True)
class Finding:
    """One check's outcome: what was seen, and what to do if it is not well."""

    name: str
    ok: bool
    seen: str
    remedy: str = ""


class Unwell(Exception):  # noqa: N818 - a finding, not an error
    """A check that did not pass."""

    def __init__(self, seen: str, remedy: str) -> None:
        super().__init__(seen)
        self.seen = seen
        self.remedy = remedy


Check = Callable[[Settings], str]


def _database(settings: Settings) -> str:
    database = connect_sync(settings)
    try:
        database.command("ping")
    except DatabaseError as error:
        raise Unwell(str(error).partition(",")[0], "Start MongoDB, or correct MONGODB_URI.") from error
    finally:
        database.client.close()
    return without_credentials(settings.mongodb_uri)


def _broker(settings: Settings) -> str:
    try:
        with make_celery(lambda: settings).connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=3)
    except (OperationalError, OSError) as error:
        raise Unwell(str(error), "Start Redis, or correct REDIS_URL (or CELERY_BROKER_URL).") from error
    return without_credentials(settings.broker_url)


def _bucket(settings: Settings) -> str:
    bucket = open_bucket(settings)
    key = f"doctor/{uuid4()}"
    try:
        bucket.put(key, b"takeup", "text/plain")
        try:
            read = bucket.read(key, 0, 6)
        finally:
            bucket.delete([key])
    except MediaError as error:
        raise Unwell(error.sentence, error.hint) from error
    if read != b"takeup":
        raise Unwell("what was read is not what was stored", "Check what stands between Takeup and the bucket.")
    return f"{without_credentials(settings.s3_endpoint_url)} ({settings.s3_bucket}): put, get and delete work"


def _ffmpeg(_: Settings) -> str:
    try:
        answer = subprocess.run([get_ffmpeg_exe(), "-version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        raise Unwell(str(error), "Install Takeup's dependencies again: imageio-ffmpeg brings it.") from error
    return " ".join(answer.stdout.split()[:3])


def _extractor(_: Settings) -> str:
    found = version("yt-dlp")
    year, month, day = (int(part) for part in found.split(".")[:3])
    age = (datetime.now(UTC).date() - date(year, month, day)).days
    if age > _OLD_EXTRACTOR_DAYS:
        raise Unwell(f"yt-dlp {found} is {age} days old", "Update it: sites change in weeks (`pip install -U yt-dlp`).")
    return f"yt-dlp {found}, {age} days old"


def _javascript(_: Settings) -> str:
    try:
        answer = subprocess.run([find_deno_bin(), "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unwell(str(error), "Install Takeup's dependencies again: deno comes as a wheel.") from error
    return answer.stdout.splitlines()[0]


def _disk(settings: Settings) -> str:
    folder = settings.scratch_dir
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    seen = f"{free / (1 << 30):.1f} GiB free at {folder}"
    if free < _LEAST_FREE_BYTES:
        raise Unwell(seen, "Free some space, or set TAKEUP_SCRATCH_DIR to a larger disk.")
    return seen


def _workers(settings: Settings) -> str:
    names = online_workers(make_celery(lambda: settings), 1.5)
    if not names:
        seen = "the broker does not answer" if names is None else "no worker answers"
        raise Unwell(seen, "Start one with `takeup worker`, and one with `takeup worker --maintenance`.")
    return ", ".join(names)


_CHECKS: tuple[tuple[str, Check], ...] = (
    ("database", _database),
    ("broker", _broker),
    ("bucket", _bucket),
    ("ffmpeg", _ffmpeg),
    ("yt-dlp", _extractor),
    ("JavaScript runtime", _javascript),
    ("disk", _disk),
    ("workers", _workers),
)


def run_doctor(settings: Settings, *, as_json: bool) -> None:
    """Run every check; exit code 1 where one did not pass."""
    console = Console(quiet=as_json)
    findings = []
    for number, (name, check) in enumerate(_CHECKS, 1):
        finding = _examine(name, check, settings)
        findings.append(finding)
        mark = "[green]OK[/]  " if finding.ok else "[red]FAIL[/]"
        console.print(f"{number}. {mark} {name:<19}{finding.seen}", highlight=False, soft_wrap=True)
        if finding.remedy:
            console.print(f"          [yellow]{finding.remedy}[/]", highlight=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _examine(name: str, check: Check, settings: Settings) -> Finding:
    try:
        return Finding(name, ok=True, seen=check(settings))
    except Unwell as finding:
        return Finding(name, ok=False, seen=finding.seen, remedy=finding.remedy)

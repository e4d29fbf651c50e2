"""Is everything there that Takeup needs? Each check, for `takeup doctor` and for the first-run page. They block."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from uuid import uuid4

from celery import Celery
from deno import find_deno_bin
from imageio_ffmpeg import get_ffmpeg_exe
from kombu.exceptions import OperationalError

from app.core.celery_app import online_workers
from app.core.config import Settings, without_credentials
from app.core.database import DatabaseError, connect_sync
from app.core.media_errors import MediaError
from app.services.fetch.guard import Guard
from app.services.storage import cors
from app.services.storage.bucket import Bucket

_OLD_EXTRACTOR_DAYS = 90
_LEAST_FREE_BYTES = 2 << 30


@dataclass(frozen=True)
class Servers:
    """What the checks look at."""

    settings: Settings
    bucket: Bucket
    celery: Celery


@dataclass(frozen=True)
class Finding:
    """One check's outcome: what was seen, and what to do if it is not well; with a remedy although `ok` it is a note.

    `detail` holds addresses and the drivers' own words: it is for whoever runs the servers alone.
    """

    name: str
    ok: bool
    seen: str
    remedy: str = ""
    detail: str = ""


class Unwell(Exception):  # noqa: N818 - a finding, not an error
    """A check that did not pass."""

    def __init__(self, seen: str, remedy: str, detail: str = "") -> None:
        super().__init__(seen)
        self.seen = seen
        self.remedy = remedy
        self.detail = detail


class Noted(Unwell):
    """A check that passed, of something that could be better."""


Seen = tuple[str, str]
"""What a check that passed has seen, and the detail of it."""


def _database(servers: Servers) -> Seen:
    database = connect_sync(servers.settings)
    try:
        database.command("ping")
    except DatabaseError as error:
        detail = str(error).partition(",")[0]
        raise Unwell("It does not answer.", "Start MongoDB, or correct MONGODB_URI.", detail) from error
    finally:
        database.client.close()
    return "It answers.", without_credentials(servers.settings.mongodb_uri)


def _broker(servers: Servers) -> Seen:
    try:
        with servers.celery.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=3)
    except (OperationalError, OSError) as error:
        remedy = "Start Redis, or correct REDIS_URL (or CELERY_BROKER_URL)."
        raise Unwell("It does not answer.", remedy, str(error)) from error
    return "It answers.", without_credentials(servers.settings.broker_url)


def _bucket(servers: Servers) -> Seen:
    bucket, settings = servers.bucket, servers.settings
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
        raise Unwell("What was read is not what was stored.", "Check what stands between Takeup and the bucket.")
    where = f"{without_credentials(settings.s3_endpoint_url)} ({settings.s3_bucket}), {_cors(bucket)}"
    return "Put, get and delete work.", where


def _cors(bucket: Bucket) -> str:
    """Our own page plays media without it, so a bucket that refuses to be set, or to be asked, is well all the same."""
    try:
        origins = cors.allowed_origins(bucket)
    except MediaError:
        return "which does not tell its CORS rules"
    return f"read by scripts of {', '.join(origins)}" if origins else "whose CORS rules let no page's scripts read"


def _ffmpeg(_: Servers) -> Seen:
    try:
        answer = subprocess.run([get_ffmpeg_exe(), "-version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        remedy = "Install Takeup's dependencies again: imageio-ffmpeg brings it."
        raise Unwell("It does not run.", remedy, str(error)) from error
    return f"{' '.join(answer.stdout.split()[:3])}.", ""


def _extractor(_: Servers) -> Seen:
    found = version("yt-dlp")
    year, month, day = (int(part) for part in found.split(".")[:3])
    age = (datetime.now(UTC).date() - date(year, month, day)).days
    if age > _OLD_EXTRACTOR_DAYS:
        remedy = "Update it: sites change in weeks (`pip install -U yt-dlp`)."
        raise Unwell(f"Version {found} is {age} days old.", remedy)
    return f"Version {found} is {age} days old.", ""


def _javascript(_: Servers) -> Seen:
    try:
        answer = subprocess.run([find_deno_bin(), "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        remedy = "Install Takeup's dependencies again: deno comes as a wheel."
        raise Unwell("It does not run.", remedy, str(error)) from error
    return f"{answer.stdout.splitlines()[0]}.", ""


def _isolation(_: Servers) -> Seen:
    """Asked of a process of its own, as it cannot come back."""
    program = "import sys; from app.core.process import leave_network; sys.exit(not leave_network())"
    if subprocess.run([sys.executable, "-I", "-c", program], timeout=20, check=False).returncode:
        raise Noted(
            "The kernel gives ffmpeg and the decoders no namespace of their own: they keep this machine's network.",
            "Allow user namespaces (kernel.apparmor_restrict_unprivileged_userns=0; in Docker a seccomp profile that "
            "lets unshare through), or put the worker in a network that leads to TAKEUP_EGRESS_PROXY alone.",
        )
    return "ffmpeg and the decoders run without a network.", ""


def _proxy(servers: Servers) -> Seen:
    proxy = Guard.of_settings(servers.settings).proxy
    if proxy is None:
        return "None: sites are reached directly.", ""
    where = f"{proxy.host}:{proxy.port}"
    try:
        proxy.check(10)
    except MediaError as error:
        raise Unwell(error.sentence, "Start it, or correct TAKEUP_EGRESS_PROXY.", where) from error
    return "It answers.", where


def _disk(servers: Servers) -> Seen:
    folder = servers.settings.scratch_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        remedy = "Let Takeup write there, or set TAKEUP_SCRATCH_DIR to another folder."
        raise Unwell("The folder for downloads cannot be used.", remedy, str(error)) from error
    seen = f"{free / (1 << 30):.1f} GiB are free."
    if free < _LEAST_FREE_BYTES:
        raise Unwell(seen, "Free some space, or set TAKEUP_SCRATCH_DIR to a larger disk.", str(folder))
    return seen, str(folder)


def _workers(servers: Servers) -> Seen:
    names = online_workers(servers.celery, 1.5)
    if names is None:
        raise Unwell("The broker does not answer.", "Start Redis, or correct REDIS_URL (or CELERY_BROKER_URL).")
    missing = [
        command
        for kind, command in (("media", "takeup worker"), ("maintenance", "takeup worker --maintenance"))
        if not any(name.startswith(f"{kind}@") for name in names)
    ]
    if missing:
        starts = " and ".join(f"`{command}`" for command in missing)
        raise Unwell("No worker answers." if not names else "One kind of worker is missing.", f"Start {starts}.")
    return f"{len(names)} answer.", ", ".join(names)


Check = Callable[[Servers], Seen]

SETUP_CHECKS: dict[str, Check] = {
    "database": _database,
    "broker": _broker,
    "bucket": _bucket,
    "workers": _workers,
    "disk": _disk,
    "yt-dlp": _extractor,
}
"""What may be set up wrongly."""

CHECKS: dict[str, Check] = {
    **SETUP_CHECKS,
    "ffmpeg": _ffmpeg,
    "JavaScript runtime": _javascript,
    "isolation": _isolation,
    "egress proxy": _proxy,
}
"""These, and what only few machines need or what comes with Takeup itself."""


def examine(name: str, servers: Servers) -> Finding:
    """The outcome of one check."""
    try:
        seen, detail = CHECKS[name](servers)
    except Unwell as finding:
        is_note = isinstance(finding, Noted)
        return Finding(name, ok=is_note, seen=finding.seen, remedy=finding.remedy, detail=finding.detail)
    return Finding(name, ok=True, seen=seen, detail=detail)

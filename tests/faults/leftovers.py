"""What a service leaves behind outside its database and bucket: processes and scratch folders."""

import sys
from contextlib import suppress
from pathlib import Path

import psutil

from app.core.config import Settings

_OURS = ("app.services.", "app.core.celery_app", "imageio_ffmpeg/binaries")
"""In the command line of every process that works on a scene; each is started by a Python of ours."""

_INIT = 1
"""The process that takes over children whose parent is gone."""

_START_IS_KNOWN_TO = 2.0
"""Seconds: the system counts a process's start from its own, whose moment it knows to the second."""


def scratch_folders(scratch: Path) -> list[str]:
    """The folders of jobs that are there."""
    return [f"the scratch folder {folder.name}" for folder in scratch.glob("job-*")]


def orphaned_processes(settings: Settings, since: float) -> list[str]:
    """Processes of a service, begun after `since` (seconds of the epoch), whose parent has left them to the system."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            line = " ".join(process.cmdline())
            late = process.create_time() > since - _START_IS_KNOWN_TO
            if not (late and line.startswith(sys.prefix) and any(part in line for part in _OURS)):
                continue
            if process.environ().get("MONGODB_URI", settings.mongodb_uri) != settings.mongodb_uri:
                continue  # another service's; a child that works for one has no settings at all
            if process.status() != psutil.STATUS_ZOMBIE and process.ppid() <= _INIT:
                found.append(f"the process {process.pid}: {line[:120]}")
    return found

"""Scratch folders: one for each job, gone with the job, and found again when its process was killed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from app.core.media_errors import DiskFullError

_PREFIX = "job-"


@contextmanager
def job_folder(scratch: Path) -> Iterator[Path]:
    """A new, private folder, removed when the block ends. Raises `DiskFullError` where it cannot be made.

    The folder is locked as long as this process lives, which tells it from one that a killed process left.
    """
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=_PREFIX, dir=scratch)).resolve()
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise DiskFullError from error
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_scratch(scratch: Path) -> int:
    """Remove the folders whose process is gone; how many."""
    removed = 0
    for folder in scratch.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            rmtree(folder, ignore_errors=True)
            removed += 1
        except OSError:
            continue
        finally:
            os.close(lock)
    return removed

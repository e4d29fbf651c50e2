"""Scratch folders: one for each job, gone with the job, and found again when its process was killed.

A job that knows what it will need claims it first, so that two of them do not count on the same space.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import disk_usage, rmtree
from tempfile import mkdtemp

from app.core.media_errors import DiskFullError

_PREFIX = "job-"
_CLAIM = ".claim"


class NoRoomYetError(Exception):
    """The disk has no room for this job as long as others use it: it must wait."""


@contextmanager
def job_folder(scratch: Path) -> Iterator[Path]:
    """A new, private folder, removed when the block ends. Raises `DiskFullError` where it cannot be made.

    The folder is locked as long as this process lives, which tells it from one that a killed process left.
    """
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with _alone(scratch):
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


def claim_space(folder: Path, needed: int, keep_free: int) -> None:
    """Claim bytes of the disk for this job; `keep_free` are left to nobody.

    Raises `NoRoomYetError` where they are not there, less what the other jobs have claimed and not used yet.
    """
    with _alone(folder.parent):
        claimed = sum(_unused_claim(other) for other in folder.parent.glob(f"{_PREFIX}*") if other != folder)
        if disk_usage(folder).free - claimed - keep_free < needed:
            raise NoRoomYetError
        (folder / _CLAIM).write_text(str(needed))


def _unused_claim(folder: Path) -> int:
    with _abandoned(folder) as abandoned, suppress(OSError):
        return 0 if abandoned else max(0, int((folder / _CLAIM).read_text()) - _size(folder))
    return 0


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


def sweep_scratch(scratch: Path) -> int:
    """Remove the folders whose process is gone; how many."""
    if not scratch.exists():
        return 0
    with _alone(scratch):
        return sum(remove_abandoned(folder) for folder in scratch.glob(f"{_PREFIX}*"))


def abandoned_folders(scratch: Path, older_than_seconds: float) -> Iterator[tuple[Path, int]]:
    """The folders of this machine whose process is gone, and the bytes that each holds.

    The age leaves out a folder that is made at this moment, and not locked yet.
    """
    for folder in sorted(scratch.glob(f"{_PREFIX}*")):
        with _abandoned(folder) as abandoned:
            if not abandoned or time.time() - folder.stat().st_mtime < older_than_seconds:
                continue
            size = _size(folder)
        yield folder, size


def remove_abandoned(folder: Path) -> bool:
    """Remove a folder whose process is gone; False where the process is there, or the folder cannot be removed."""
    with _abandoned(folder) as abandoned:
        if abandoned:
            rmtree(folder, ignore_errors=True)
        return abandoned and not folder.exists()


@contextmanager
def _alone(scratch: Path) -> Iterator[None]:
    """Nobody sweeps while a folder is made and not locked yet."""
    lock = os.open(scratch, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def _abandoned(folder: Path) -> Iterator[bool]:
    """Whether nobody holds the folder's lock; while the block runs, we do."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        abandoned = False
    else:
        abandoned = True
    try:
        yield abandoned
    finally:
        os.close(lock)

"""Scratch folders: one for each job, gone with the job, and found again by the next attempt when that broke off.

A job that knows what it will need claims it first, so that two of them do not count on the same space.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import disk_usage, rmtree
from tempfile import mkdtemp

from app.core.media_errors import DiskFullError

_PREFIX = "job-"
_NAME = re.compile(r"job-(?P<scene>.+)\.(?P<generation>\d+)")

IsAwaited = Callable[[str, int], bool]
"""Whether this generation of this scene is still on its way."""
CLAIM = ".claim"


class NoRoomYetError(Exception):
    """The disk has no room for this job as long as others use it: it must wait."""


def job_name(scene_id: str, generation: int) -> str:
    """The name of the job that takes in this generation of this scene."""
    return f"{scene_id}.{generation}"


@contextmanager
def job_folder(scratch: Path, name: str | None = None) -> Iterator[Path]:
    """A private folder, removed when the block ends. Raises `DiskFullError` where it cannot be made.

    With a name, it is left where the block raises, for a job of the same name to go on with, unless it is the room on
    the disk that is missing; and what such a job left is in it. It is locked as long as this process lives, which tells
    it from one that nobody works in.
    """
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with _alone(scratch):
            folder = _named(scratch, name) if name else None
            lock = _locked(folder) if folder else None
            if folder is None or lock is None:  # nameless, or one of that name is still at work
                folder = Path(mkdtemp(prefix=_PREFIX, dir=scratch)).resolve()
                name, lock = None, _locked(folder, wait=True)
    except OSError as error:
        raise DiskFullError from error
    keep = False
    try:
        yield folder
    except BaseException as error:
        keep = name is not None and not isinstance(error, NoRoomYetError | DiskFullError)
        raise
    finally:
        if not keep:
            rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _named(scratch: Path, name: str) -> Path:
    folder = (scratch / f"{_PREFIX}{name}").resolve()
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _locked(folder: Path, *, wait: bool = False) -> int | None:
    """The folder's lock; None where somebody has it, unless we wait."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def claim_space(folder: Path, needed: int, keep_free: int) -> None:
    """Claim bytes of the disk for this job, those that it has used already among them; `keep_free` are left to nobody.

    What others have claimed and not used yet is not there. What others left for a later attempt makes room, the oldest
    first. Raises `NoRoomYetError` where all that is not enough.
    """
    with _alone(folder.parent):
        others = sorted((other for other in _folders(folder.parent) if other != folder), key=_touched_at)
        while True:
            claimed = sum(map(_unused_claim, others))
            if disk_usage(folder).free - claimed - keep_free >= needed - _size(folder):
                (folder / CLAIM).write_text(str(needed))
                return
            if not any(remove_abandoned(other) for other in others):
                raise NoRoomYetError


def _folders(scratch: Path) -> list[Path]:
    return list(scratch.glob(f"{_PREFIX}*"))


def _touched_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # it has just been removed
        return 0.0


def _unused_claim(folder: Path) -> int:
    with _abandoned(folder) as abandoned, suppress(OSError):
        return 0 if abandoned else max(0, int((folder / CLAIM).read_text()) - _size(folder))
    return 0


def _size(folder: Path) -> int:
    """Bytes; what vanishes meanwhile counts for nothing."""
    size = 0
    for file in folder.rglob("*"):
        with suppress(OSError):
            if not file.is_dir():
                size += file.lstat().st_size
    return size


def sweep_scratch(scratch: Path, is_awaited: IsAwaited) -> None:
    """Remove the folders of this machine that nobody works in, and nobody will go on with."""
    for folder, _ in abandoned_folders(scratch, is_awaited):
        with _alone(scratch):
            remove_abandoned(folder)


def abandoned_folders(
    scratch: Path, is_awaited: IsAwaited, older_than_seconds: float = 0
) -> Iterator[tuple[Path, int]]:
    """The folders of this machine that nobody works in, and nobody will go on with; and the bytes that each holds.

    The age leaves out a folder that is made at this moment, and not locked yet.
    """
    for folder in sorted(_folders(scratch)):
        job = _NAME.fullmatch(folder.name)
        if job and is_awaited(job["scene"], int(job["generation"])):
            continue
        with _abandoned(folder) as abandoned:
            if not abandoned or time.time() - _touched_at(folder) < older_than_seconds:
                continue
            size = _size(folder)
        yield folder, size


def remove_abandoned(folder: Path) -> bool:
    """Remove a folder that nobody works in; False where somebody does, or the folder cannot be removed."""
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
        lock = _locked(folder)
    except OSError:
        lock = None
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)

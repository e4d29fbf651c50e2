"""The data folder of embedded mode: who holds it, what runs in it, and the private files it keeps."""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from app.core.errors import TakeupError

LOCK_PATIENCE_SECONDS = 0.3


class AlreadyRunningError(TakeupError):
    """Another supervisor holds the data folder's lock."""

    code: ClassVar[str] = "embedded.already_running"
    message: ClassVar[str] = "Takeup already runs in this data folder."
    hint: ClassVar[str] = "Open that address, stop that one first, or set TAKEUP_DATA_DIR to another folder."
    status: ClassVar[int] = 409


@dataclass(frozen=True)
class Running:
    """What runs in a data folder: the address to open, the supervisor's process id, and what clients need."""

    url: str
    pid: int
    environment: dict[str, str]


def write_private_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` whole or not at all, readable by its owner only (mode 0600)."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def private_folder(path: Path) -> Path:
    """`path`, made with mode 0700 where it does not exist yet."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


class DataFolderLock:
    """Holds a data folder for as long as the context lives; the kernel lets go of it when the process dies.

    Entering raises `AlreadyRunningError` when another supervisor holds it. No child inherits the lock.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._descriptor = -1

    def __enter__(self) -> Self:
        private_folder(self._data_dir)
        self._descriptor = os.open(self._data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        # A glance of `read_running` holds the lock for some microseconds; it must not turn a start away.
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while not _try_lock(self._descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                os.close(self._descriptor)
                raise AlreadyRunningError(_where_it_answers(self._data_dir))
            time.sleep(0.01)
        # What a killed supervisor left describes nothing that is alive.
        self._run_file.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run_file.unlink(missing_ok=True)
        os.close(self._descriptor)

    @property
    def _run_file(self) -> Path:
        return self._data_dir / "run.json"

    def announce(self, running: Running) -> None:
        """Tell the other commands what runs here; call it when all is ready."""
        write_private_json(self._run_file, asdict(running))


def read_running(data_dir: Path) -> Running | None:
    """What runs in `data_dir`, or None when nothing does or it is not ready yet."""
    try:
        descriptor = os.open(data_dir / "lock", os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        return None if _try_lock(descriptor, fcntl.LOCK_SH) else _read_run_file(data_dir)
    finally:
        os.close(descriptor)


def _read_run_file(data_dir: Path) -> Running | None:
    try:
        return Running(**json.loads((data_dir / "run.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _where_it_answers(data_dir: Path) -> str:
    running = _read_run_file(data_dir)
    if running is None:
        return f"It is still starting (data folder {data_dir})."
    return f"It answers at {running.url} (process {running.pid}, data folder {data_dir})."

"""How the tests of the extraction child run one, and what it leaves."""

from collections import deque
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from app.core.media_errors import MediaError
from app.services.fetch.exchange import Limits
from app.services.fetch.extract import Extraction, ExtractionProgress, extracted
from app.services.fetch.guard import Guard

LOOPBACK = ("127.0.0.1/32",)
PLENTY = 64 << 20


class Progress(ExtractionProgress):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.expected: list[int | None] = []
        self.fetched: list[int] = []
        super().__init__(lambda: None, self.expected.append, self.fetched.append)


class StoppedError(Exception):
    """What a test's `check` raises."""


def children_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def extraction(url: str, scratch: Path, *, allow: tuple[str, ...] = LOOPBACK, max_bytes: int = PLENTY) -> Extraction:
    return Extraction(
        url=url,
        limits=Limits(max_bytes=max_bytes, total_seconds=60, read_seconds=5),
        guard=Guard.of(allow),
        max_duration_seconds=60,
        max_playlist_entries=1000,
        max_height=1080,
        scratch=scratch,
        keep_free_bytes=0,
    )


def code_of(job: Extraction) -> str:
    with pytest.raises(MediaError) as caught, extracted(job, Progress()) as source:
        deque(source.chunks, maxlen=0)
    return caught.value.code

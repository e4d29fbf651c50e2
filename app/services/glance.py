"""What a file at a link holds, by the few pieces of it that tell: the rest is not fetched."""

import time
from collections.abc import Callable
from contextlib import closing
from threading import Timer
from typing import Any

from app.core.config import MIB
from app.core.media_errors import MediaError
from app.services.fetch.ranged import RangedFile, SpanReader
from app.services.process.inspect import probe

MAX_BYTES = 16 * MIB
_SECONDS = 10.0


class _EnoughError(Exception):
    """It would take too many bytes, or too long."""


class _Pieces:
    """Reads of the file, until they are too many bytes."""

    def __init__(self, reader: SpanReader) -> None:
        self._reader = reader
        self._left = MAX_BYTES

    def read(self, start: int, length: int) -> bytes:
        self._left -= length
        if self._left < 0:
            raise _EnoughError
        return b"".join(self._reader.chunks(start, start + length))


def glance(file: RangedFile, seconds: float, check: Callable[[], None]) -> dict[str, Any] | None:
    """The file's `Probe` as a dict; None where 16 MiB, ten seconds or `seconds` of them do not tell, or nothing does.

    Closes the file. `check` is called often and may raise to stop it.
    """
    seconds = min(_SECONDS, seconds)
    deadline = time.monotonic() + seconds

    def look() -> None:
        check()
        if time.monotonic() > deadline:
            raise _EnoughError

    end = Timer(seconds, file.close)
    end.daemon = True
    end.start()
    try:
        with closing(file.reader()) as reader:
            return probe(_Pieces(reader).read, file.version.length, look)
    except (MediaError, _EnoughError):
        check()  # what the check's owner ended is no failure of the file
        return None
    finally:
        end.cancel()
        file.close()

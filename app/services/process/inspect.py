"""What a stored file holds, and one still of it: asked of a child process that has no network, no secrets and no disk.

The child reads the object through us: it asks for a range on its stdout and gets the bytes on its stdin, so that a
file of any size is inspected by the few pieces that matter.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from typing import Any

from app.core.media_errors import MEDIA_ERRORS, MalformedMediaError, UnsafeMediaError
from app.services.child import Child, ChildDiedError, ChildSilentError, run_child
from app.services.storage.bucket import Bucket

BLOCK_BYTES = 1 << 20
_CACHED_BLOCKS = 16
_SILENCE_SECONDS = 60.0
_MAX_POSTER_BYTES = 4 << 20

log = getLogger(__name__)


@dataclass(frozen=True)
class Inspection:
    """What was found: the `Probe` of models/media.py as a dict, and the poster (WebP) with its size in pixels."""

    probe: dict[str, Any]
    poster: bytes | None
    poster_width: int
    poster_height: int


Read = Callable[[int, int], bytes]
"""From an offset and a length to the bytes there."""


class _Blocks:
    """Reads of one object by whole blocks, the last few of them kept."""

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        self._size = size
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def read(self, offset: int) -> bytes:
        """From `offset` to the end of its block."""
        if not 0 <= offset < self._size:
            return b""
        number = offset // BLOCK_BYTES
        if number not in self._kept:
            start = number * BLOCK_BYTES
            self._kept[number] = self._read(start, min(BLOCK_BYTES, self._size - start))
            if len(self._kept) > _CACHED_BLOCKS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number][offset - number * BLOCK_BYTES :]


def inspect(bucket: Bucket, key: str, size: int, max_duration_seconds: int, check: Callable[[], None]) -> Inspection:
    """Probe the object and make its poster. `check` is called often and may raise to stop it.

    Raises the `media.*` errors, `content.too_long`, and what reading the bucket raises.
    """
    job = {"size": size, "max_duration_seconds": max_duration_seconds, "poster": True}
    return _inspect(job, partial(bucket.read, key), check)


def probe(read: Read, size: int, check: Callable[[], None]) -> dict[str, Any]:
    """What a file of `size` bytes holds, however long it is: the `Probe` alone, of the whole blocks that `read` gives.

    Raises the `media.*` errors, and what `read` and `check` raise.
    """
    return _inspect({"size": size, "max_duration_seconds": None, "poster": False}, read, check).probe


def _inspect(job: dict[str, Any], read: Read, check: Callable[[], None]) -> Inspection:
    try:
        with run_child("app.services.process.inspector", job) as child:
            return _serve(child, _Blocks(read, job["size"]), check)
    except ChildSilentError as error:
        raise UnsafeMediaError from error
    except ChildDiedError as error:
        log.warning("the inspection child died: %s", error)
        raise (UnsafeMediaError if error.returncode in {-9, -24} else MalformedMediaError) from error


def _serve(child: Child, blocks: _Blocks, check: Callable[[], None]) -> Inspection:
    for message in child.messages(check, _SILENCE_SECONDS):
        match message["type"]:
            case "read":
                body = blocks.read(message["offset"])
                child.send(len(body).to_bytes(8, "big") + body, check, _SILENCE_SECONDS)
            case "error":
                raise MEDIA_ERRORS[message["code"]](message["detail"])
            case "result":
                size = message["poster_bytes"]
                if size > _MAX_POSTER_BYTES:
                    raise UnsafeMediaError
                poster = child.raw(size, check, _SILENCE_SECONDS) if size else None
                return Inspection(message["probe"], poster, message["poster_width"], message["poster_height"])
    raise MalformedMediaError

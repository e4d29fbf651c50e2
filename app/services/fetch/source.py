"""Where the bytes of one job come from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.services.fetch.sniff import MediaType


@dataclass(frozen=True)
class Source:
    """Media that is ready to be read once: what it is, its length in bytes (None: unknown), and its bytes.

    `close` ends it at once from any thread: a read under way then fails. `local` media is on our disk already.
    """

    media_type: MediaType
    length: int | None
    filename: str
    chunks: Iterator[bytes]
    close: Callable[[], None]
    local: bool = False

"""Where the bytes of one job come from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.services.fetch.ranged import RangedFile
from app.services.fetch.ranges import Version
from app.services.fetch.sniff import MediaType


@dataclass(frozen=True)
class Source:
    """Media that is ready to be read once: what it is, its length in bytes (None: unknown), and its bytes.

    `close` ends it at once from any thread: a read under way then fails. `local` media is on our disk already.
    `version` is what another attempt may go on with, and `ranged` the same file for several connections, where the site
    allows that; whoever reads that leaves `chunks` alone. What was `extracted` has its address from a page, which may
    give another one the next time.
    """

    media_type: MediaType
    length: int | None
    filename: str
    chunks: Iterator[bytes]
    close: Callable[[], None]
    local: bool = False
    extracted: bool = False
    version: Version | None = None
    ranged: RangedFile | None = None

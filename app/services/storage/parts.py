"""Parts on their way: who takes which one next, in which memory, and the checksum of all of them in their order."""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from threading import Condition, Lock

_SPARES: deque[bytearray] = deque(maxlen=4)
"""Memory of jobs that ended, for those that follow: made anew in the threads of each, it would pile up in the process,
and fresh memory of this size costs a page fault for every 4 KiB of it."""


@dataclass
class Part:
    """A part that was fetched: its number, counted from 1, and the memory whose first `size` bytes it is.

    `holders` still need the memory.
    """

    number: int
    buffer: bytearray
    size: int
    holders: int = 1

    @property
    def body(self) -> bytearray:
        return self.buffer if self.size == len(self.buffer) else self.buffer[: self.size]


class PartQueue:
    """Hands out the numbers of missing parts, each with the memory for it, until all are fetched or one thing failed.

    There are `buffers` pieces of memory and no more. A number comes with one, in rising order, so that the lowest part
    under way never waits for memory that the parts behind it hold; and nothing is asked of a source, to be asked again
    after a crash, that there is no memory for.
    """

    def __init__(self, numbers: Iterable[int], part_size: int, buffers: int) -> None:
        self._numbers = iter(numbers)
        self._next = next(self._numbers, None)
        self._part_size = part_size
        self._unmade = buffers
        self._free: deque[bytearray] = deque()
        self._put_back: list[tuple[int, bytearray]] = []
        self._filling = 0
        self._condition = Condition()
        self._error: BaseException | None = None

    @property
    def error(self) -> BaseException | None:
        """The first failure."""
        return self._error

    def take(self) -> tuple[int, bytearray] | None:
        """A part to fetch; None where all are fetched, or after a failure. Waits while it may yet have to be given one.

        The one who takes it calls `filled` or `put_back`.
        """
        with self._condition:
            while self._error is None:
                if self._put_back:
                    self._filling += 1
                    return self._put_back.pop()
                if self._next is not None and (self._free or self._unmade):
                    number, self._next = self._next, next(self._numbers, None)
                    self._filling += 1
                    return number, self._buffer()
                if self._next is None and not self._filling:
                    return None
                self._condition.wait()
        return None

    def _buffer(self) -> bytearray:
        if self._free:
            return self._free.pop()
        self._unmade -= 1
        with suppress(IndexError):
            spare = _SPARES.pop()
            if len(spare) == self._part_size:
                return spare
        return bytearray(self._part_size)

    def close(self) -> None:
        """Leave the memory that nobody holds to other jobs; only when nobody takes parts any more."""
        with self._condition:
            buffers = [*self._free, *(buffer for _, buffer in self._put_back)]
            _SPARES.extend(buffer for buffer in buffers if len(buffer) == self._part_size)
            self._free.clear()
            self._put_back.clear()

    def filled(self) -> None:
        """One that was taken is fetched."""
        with self._condition:
            self._filling -= 1
            self._condition.notify_all()

    def put_back(self, number: int, buffer: bytearray) -> None:
        """One that was taken is for somebody else to fetch."""
        with self._condition:
            self._filling -= 1
            self._put_back.append((number, buffer))
            self._condition.notify_all()

    def let_go(self, part: Part) -> None:
        """One holder less of the part's memory."""
        with self._condition:
            part.holders -= 1
            if not part.holders:
                self._free.append(part.buffer)
                self._condition.notify_all()

    def fail(self, error: BaseException) -> None:
        """End it for everybody; the first failure counts."""
        with self._condition:
            self._error = self._error or error
            self._condition.notify_all()

    def wait_failed(self, seconds: float) -> bool:
        """Wait so long; whether it has failed."""
        with self._condition:
            return self._condition.wait_for(lambda: self._error is not None, seconds)

    @property
    def has_more(self) -> bool:
        """Whether a part waits for somebody to fetch it."""
        with self._condition:
            return self._next is not None or bool(self._put_back)


class OrderedDigest:
    """The SHA-256 of parts that come in any order: each is counted when all before it are."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._next = 1
        self._waiting: dict[int, Part] = {}
        self._lock = Lock()

    def add(self, part: Part) -> list[Part]:
        """Count the part in its turn; the parts that are counted now, whose memory is needed no more for that."""
        counted = []
        with self._lock:
            self._waiting[part.number] = part
            while ready := self._waiting.pop(self._next, None):
                self._digest.update(memoryview(ready.buffer)[: ready.size])
                counted.append(ready)
                self._next += 1
        return counted

    def hexdigest(self) -> str:
        """Of all that was added; only when no part is missing."""
        if self._waiting:
            raise ValueError(f"part {self._next} is missing")
        return self._digest.hexdigest()

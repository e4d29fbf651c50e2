"""A ranged file into the bucket: a few connections fetch its parts, and each part is sent on as soon as it is whole."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from logging import getLogger
from threading import Lock, Thread

from app.core.host_limit import HostLimit, HostPlaces
from app.core.media_errors import ConnectionFailedError, MediaError, SourceChangedError
from app.services.fetch.growth import Growth
from app.services.fetch.ranged import RangedFile, RangesIgnoredError, SpanReader
from app.services.storage.multipart import (
    PARALLEL_PARTS,
    PartSender,
    Stored,
    Target,
    Upload,
    Watcher,
    open_upload,
    part_size_for,
    store_whole,
)
from app.services.storage.parts import Part, PartQueue

_TICK_SECONDS = 0.025
_AT_FIRST = 2
_ASK_AGAIN_SECONDS = 2.0
"""How long a host that had no place left is not asked for one."""

log = getLogger(__name__)


@dataclass(frozen=True)
class Connections:
    """How many connections one job may have, and who counts those to the file's host."""

    most: int
    limit: HostLimit


def store_ranged(target: Target, file: RangedFile, watcher: Watcher, connections: Connections) -> Stored:
    """Store the file at `target`, whose key must be free.

    Raises `ObjectExistsError` where it is not free, what the watcher raises, and the `fetch.*`, `link.*` and
    `storage.*` errors. What was stored is left for another attempt: whoever is told of the upload aborts it.
    """
    length = file.version.length
    part_size = part_size_for(length)
    if length < part_size:
        body = bytearray(length)
        file.reader().read(0, memoryview(body), watcher.fetched)
        return store_whole(target, body, watcher)
    with open_upload(target, part_size, watcher, keep=True) as upload:
        return go_on(target, file, upload, watcher, connections)


def go_on(target: Target, file: RangedFile, upload: Upload, watcher: Watcher, connections: Connections) -> Stored:
    """Fetch the parts that do not stand yet, and make the object of all of them. Raises as `store_ranged` does."""
    length = file.version.length
    queue = PartQueue(missing_parts(upload, length), upload.part_size, max(connections.most, PARALLEL_PARTS))
    sender = PartSender(target.bucket, upload, queue, watcher)
    with sender:
        _Crew(
            file=file,
            part_size=upload.part_size,
            queue=queue,
            sender=sender,
            watcher=watcher,
            connections=connections,
        ).run()
    return Stored(length, sender.complete(part_count(length, upload.part_size)), sender.sha256)


def complete(target: Target, upload: Upload, length: int, watcher: Watcher) -> Stored:
    """Make the object of an upload all of whose parts stand."""
    sender = PartSender(target.bucket, upload, PartQueue((), upload.part_size, 0), watcher)
    return Stored(length, sender.complete(part_count(length, upload.part_size)), None)


def missing_parts(upload: Upload, length: int) -> list[int]:
    """The numbers of the parts that do not stand yet, of a file of that length."""
    numbers = range(1, part_count(length, upload.part_size) + 1)
    return [number for number in numbers if number not in upload.standing]


def part_count(length: int, part_size: int) -> int:
    """How many parts a file of that length has."""
    return -(-length // part_size)


def span_of(number: int, length: int, part_size: int) -> tuple[int, int]:
    """Where a part begins, and where it ends (not in it)."""
    return (number - 1) * part_size, min(number * part_size, length)


class _Crew:
    """The connections of one job, a thread each. The first must come through; the others help as long as they can."""

    def __init__(
        self,
        *,
        file: RangedFile,
        part_size: int,
        queue: PartQueue,
        sender: PartSender,
        watcher: Watcher,
        connections: Connections,
    ) -> None:
        self._file = file
        self._part_size = part_size
        self._queue = queue
        self._sender = sender
        self._watcher = watcher
        self._connections = connections
        self._lock = Lock()
        self._came = 0
        self._threads: list[Thread] = []
        self._turned_away = False

    def run(self) -> None:
        """Fetch all parts; a failure is in the queue afterwards, and no thread is left."""
        try:
            with self._connections.limit.places(self._file.host) as places:
                self._oversee(places)
        except BaseException as error:
            self._queue.fail(error)
            raise
        finally:
            if self._queue.error is not None:
                self._file.close()
            for thread in self._threads:
                thread.join()

    def _oversee(self, places: HostPlaces) -> None:
        growth = Growth(time.monotonic())
        first = self._start(self._fetch, self._file.reader(), self._queue.take())
        ask_at = 0.0
        while first.is_alive():
            now = time.monotonic()
            places.keep()
            few = len(self._threads) < _AT_FIRST
            if now > ask_at and self._has_room() and (few or growth.wants_more(now, self._came)):
                if places.take():
                    self._start(self._help)
                else:
                    ask_at = now + _ASK_AGAIN_SECONDS
            if self._file.closed:  # by the keeper, while everybody may be waiting for the bucket
                raise ConnectionFailedError
            if self._queue.wait_failed(_TICK_SECONDS):
                return

    def _has_room(self) -> bool:
        return len(self._threads) < self._connections.most and not self._turned_away and self._queue.has_more

    def _start(self, work: Callable[..., None], *arguments: object) -> Thread:
        thread = Thread(target=work, args=arguments, name="fetch", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _fetch(self, reader: SpanReader, taken: tuple[int, bytearray] | None) -> None:
        try:
            with closing(reader):
                while taken:
                    self._fetch_part(reader, *taken)
                    taken = self._queue.take()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for all of them
            self._queue.fail(error)

    def _help(self) -> None:
        try:
            with closing(self._file.reader()) as reader:
                while taken := self._queue.take():
                    try:
                        self._fetch_part(reader, *taken)
                    except MediaError as error:
                        if isinstance(error, SourceChangedError) and not isinstance(error, RangesIgnoredError):
                            raise
                        log.info("one connection less to %s: %s", self._file.host, error)
                        self._turned_away = True
                        self._queue.put_back(*taken)
                        return
        except BaseException as error:  # noqa: BLE001 - as above
            self._queue.fail(error)

    def _fetch_part(self, reader: SpanReader, number: int, buffer: bytearray) -> None:
        start, stop = span_of(number, self._file.version.length, self._part_size)
        with memoryview(buffer) as whole, whole[: stop - start] as room:
            reader.read(start, room, self._count)
        del buffer[stop - start :]  # of the last part: a copy for the request would be as large again
        self._queue.filled()
        self._sender.send(Part(number, buffer, stop - start))

    def _count(self, count: int) -> None:
        with self._lock:
            self._came += count
        self._watcher.fetched(count)

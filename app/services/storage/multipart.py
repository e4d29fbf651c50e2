"""Storing a file in parts, a few of them under way at once, never whole in memory.

All parts but the last have one size, fixed when the upload is made (R2 error 10048 refuses others); S3 takes parts of
5 MiB to 5 GiB, and 10,000 of them. What one job holds is PARALLEL_PARTS parts, or as many as it has connections.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, count
from typing import TYPE_CHECKING, Self

from app.core.config import MIB
from app.core.media_errors import MediaError, StorageUnavailableError
from app.services.storage.bucket import Bucket, UploadGoneError, storage_errors
from app.services.storage.parts import OrderedDigest, Part, PartQueue

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 8 * MIB
PARALLEL_PARTS = 4
_MAX_PARTS = 10_000
_PAUSES_SECONDS = (0.5, 1.0, 2.0)
"""Before a part is sent again, after all that botocore has tried by itself."""


def part_size_for(length: int) -> int:
    """Bytes of a part for an object of at most that length: 8 MiB, unless 10,000 of them would not hold it."""
    smallest = -(-length // _MAX_PARTS)
    return max(PART_BYTES, -(-smallest // MIB) * MIB)


@dataclass(frozen=True)
class Target:
    """Where an object goes, and what it is."""

    bucket: Bucket
    key: str
    content_type: str


@dataclass(frozen=True)
class Stored:
    """What was stored: size, the bucket's ETag, and the SHA-256 (hexadecimal) of what was sent.

    The checksum is None where parts stood already that nobody here has seen.
    """

    bytes: int
    etag: str
    sha256: str | None


@dataclass(frozen=True)
class Upload:
    """A multipart upload under way; where it was `asked_again`, another may be open that nobody knows of."""

    key: str
    upload_id: str
    part_size: int
    asked_again: bool = False
    standing: Mapping[int, str] = field(default_factory=dict)
    """The ETags of the parts that are in the bucket already, by number."""


class Watcher:
    """Who is told of the progress, and may stop it by raising; each method does nothing by itself.

    Bytes are told of from several threads.
    """

    def fetched(self, count: int) -> None:
        """So many bytes more came from the source."""

    def stored(self, count: int) -> None:
        """So many bytes more are in the bucket."""

    def upload_made(self, upload: Upload) -> None:
        """The multipart upload exists, and no part of it yet: write it down, so that nobody else has to find it."""

    def before_commit(self) -> None:
        """All bytes are in the bucket; the object appears next."""


def store_stream(
    target: Target, chunks: Iterable[bytes], length: int, watcher: Watcher, *, keep_upload: bool = False
) -> Stored:
    """Store what `chunks` yields at `target`, whose key must be free. `length`: bytes at most.

    Raises `ObjectExistsError` where it is not free, what the source or the watcher raises, and the `storage.*` errors.
    Whatever is raised, no multipart upload is left behind, unless another attempt can use it and so it is to be kept.
    """
    part_size = part_size_for(length)
    queue = PartQueue(count(1), part_size, PARALLEL_PARTS)
    parts = _cut(chunks, part_size, queue, watcher)
    first = next(parts, None)
    if first is None or first.size < part_size:
        queue.close()
        return store_whole(target, first.body if first else bytearray(), watcher)
    size = number = 0
    with open_upload(target, part_size, watcher, keep=keep_upload) as upload:
        sender = PartSender(target.bucket, upload, queue, watcher)
        with sender:
            for part in chain([first], parts):
                number, size = part.number, size + part.size
                sender.send(part)
        etag = sender.complete(number)
    return Stored(size, etag, sender.sha256)


def store_whole(target: Target, body: bytearray, watcher: Watcher) -> Stored:
    """Store a file that fits into one part with one request."""
    digest = OrderedDigest()
    digest.add(Part(1, body, len(body)))
    watcher.before_commit()
    etag = target.bucket.put(target.key, body, target.content_type)
    watcher.stored(len(body))
    return Stored(len(body), etag, digest.hexdigest())


def _cut(chunks: Iterable[bytes], part_size: int, queue: PartQueue, watcher: Watcher) -> Iterator[Part]:
    """Gather chunks into parts of one size; the last may be shorter. Ends early where sending has failed."""
    taken, filled = queue.take(), 0
    for chunk in chunks if taken else ():
        watcher.fetched(len(chunk))
        rest = memoryview(chunk)
        while rest and taken:
            number, buffer = taken
            piece = rest[: part_size - filled]
            buffer[filled : filled + len(piece)] = piece
            filled, rest = filled + len(piece), rest[len(piece) :]
            if filled == part_size:
                yield Part(number, buffer, filled)
                taken, filled = queue.take(), 0
        if not taken:
            return
    if taken and filled:
        del taken[1][filled:]
        yield Part(*taken, filled)
    elif taken:
        queue.put_back(*taken)


@contextmanager
def open_upload(target: Target, part_size: int, watcher: Watcher, *, keep: bool) -> Iterator[Upload]:
    """A new multipart upload; unless it is to be kept, it is aborted where the block raises.

    An abort that fails is left to the reconciler.
    """
    client, bucket = target.bucket.client, target.bucket
    with storage_errors():
        answer = client.create_multipart_upload(Bucket=bucket.name, Key=target.key, ContentType=target.content_type)
    asked_again = answer["ResponseMetadata"]["RetryAttempts"] > 0
    upload = Upload(target.key, answer["UploadId"], part_size, asked_again)
    noted = False
    try:
        watcher.upload_made(upload)
        noted = True
        bucket.learn_part_check(upload.key, upload.upload_id)
        yield upload
    except BaseException:
        if not (keep and noted):
            with suppress(MediaError):
                bucket.abort_upload(upload.key, upload.upload_id)
        raise


class PartSender:
    """Sends parts a few at a time, and counts their checksum; what fails, fails the queue that the parts come from.

    Leaving it waits for the parts under way; nothing is sent any more after a failure.
    """

    def __init__(self, bucket: Bucket, upload: Upload, queue: PartQueue, watcher: Watcher) -> None:
        self._bucket = bucket
        self._upload = upload
        self._queue = queue
        self._watcher = watcher
        self._etags = dict(upload.standing)
        self._digest = None if upload.standing else OrderedDigest()
        self._pool = ThreadPoolExecutor(PARALLEL_PARTS, thread_name_prefix="part")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._queue.fail(error)
        self._pool.shutdown()
        self._queue.close()
        if error is None and self._queue.error is not None:
            raise self._queue.error

    @property
    def sha256(self) -> str | None:
        """Of all the parts; None where some stood already."""
        return self._digest.hexdigest() if self._digest else None

    def send(self, part: Part) -> None:
        """Send it when a hand is free. Its memory goes back to the queue."""
        part.holders = 2 if self._digest else 1
        self._pool.submit(self._send, part)

    def complete(self, count: int) -> str:
        """Make the object of so many parts, all of which must be there; its ETag."""
        if sorted(self._etags) != list(range(1, count + 1)):
            raise ValueError(f"{len(self._etags)} parts are there, and not the {count} of the file")
        self._watcher.before_commit()
        parts: list[CompletedPartTypeDef] = [{"PartNumber": n, "ETag": self._etags[n]} for n in sorted(self._etags)]
        with storage_errors():
            answer = self._bucket.client.complete_multipart_upload(
                Bucket=self._bucket.name,
                Key=self._upload.key,
                UploadId=self._upload.upload_id,
                MultipartUpload={"Parts": parts},
                IfNoneMatch="*",
            )
        return answer["ETag"]

    def _send(self, part: Part) -> None:
        if self._queue.error is not None:
            return
        try:
            for counted in self._digest.add(part) if self._digest else ():
                self._queue.let_go(counted)
            self._etags[part.number] = self._patiently(part)
            self._watcher.stored(part.size)
            self._queue.let_go(part)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for all of them
            self._queue.fail(error)

    def _patiently(self, part: Part) -> str:
        """Send the part, again after a pause where the bucket fails for now; its ETag."""
        body = part.body
        for pause in _PAUSES_SECONDS:
            try:
                return self._send_once(part.number, body)
            except UploadGoneError:
                raise
            except StorageUnavailableError:
                if self._queue.wait_failed(pause * random.uniform(0.5, 1.5)):
                    raise
        return self._send_once(part.number, body)

    def _send_once(self, number: int, body: bytearray) -> str:
        return self._bucket.put_part(self._upload.key, self._upload.upload_id, number, body)

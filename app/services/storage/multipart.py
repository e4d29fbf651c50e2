"""Storing a stream of unknown or great length: in parts, a few of them under way at once, never whole in memory.

All parts but the last have one size, fixed when the upload is made (R2 error 10048 refuses others); S3 takes parts of
5 MiB to 5 GiB, and 10,000 of them. What one job holds is (PARALLEL_PARTS + 1) parts.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from app.core.config import MIB
from app.core.media_errors import MediaError
from app.services.storage.bucket import Bucket, content_md5, storage_errors

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 8 * MIB
PARALLEL_PARTS = 4
_MAX_PARTS = 10_000


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
    """What was stored: size, the bucket's ETag, and the SHA-256 (hexadecimal) of what was sent."""

    bytes: int
    etag: str
    sha256: str


@dataclass(frozen=True)
class Upload:
    """A multipart upload under way; where it was `asked_again`, another may be open that nobody knows of."""

    key: str
    upload_id: str
    part_size: int
    asked_again: bool = False


class Watcher:
    """Who is told of the progress, and may stop it by raising; each method does nothing by itself."""

    def fetched(self, count: int) -> None:
        """So many bytes more came from the source."""

    def stored(self, count: int) -> None:
        """So many bytes more are in the bucket."""

    def upload_made(self, upload: Upload) -> None:
        """The multipart upload exists, and no part of it yet: write it down, so that nobody else has to find it."""

    def before_commit(self) -> None:
        """All bytes are in the bucket; the object appears next."""


def store_stream(target: Target, chunks: Iterable[bytes], length: int, watcher: Watcher) -> Stored:
    """Store what `chunks` yields at `target`, whose key must be free. `length`: bytes at most.

    Raises `ObjectExistsError` where it is not free, what the source or the watcher raises, and the `storage.*` errors.
    Whatever is raised, no multipart upload is left behind.
    """
    digest = sha256()
    part_size = part_size_for(length)
    buffers = _Buffers(part_size)
    parts = _cut(chunks, buffers, digest.update, watcher.fetched)
    first = next(parts, bytearray())
    if len(first) < part_size:
        watcher.before_commit()
        etag = target.bucket.put(target.key, first, target.content_type)
        watcher.stored(len(first))
        return Stored(len(first), etag, digest.hexdigest())
    with _open_upload(target, buffers, watcher) as sender:
        sender.send(first)
        for part in parts:
            sender.send(part)
        etag = sender.complete()
    return Stored(sender.size, etag, digest.hexdigest())


class _Buffers:
    """Memory for parts, used again: fresh memory of this size costs a page fault for every 4 KiB of it."""

    def __init__(self, part_size: int) -> None:
        self.part_size = part_size
        self._free: deque[bytearray] = deque()

    def take(self) -> bytearray:
        return self._free.pop() if self._free else bytearray(self.part_size)

    def give_back(self, buffer: bytearray) -> None:
        if len(buffer) == self.part_size:
            self._free.append(buffer)


def _cut(
    chunks: Iterable[bytes], buffers: _Buffers, digest: Callable[[bytes], None], fetched: Callable[[int], None]
) -> Iterator[bytearray]:
    """Gather chunks into parts of one size; the last may be shorter."""
    part, filled = buffers.take(), 0
    for chunk in chunks:
        digest(chunk)
        fetched(len(chunk))
        rest = memoryview(chunk)
        while rest:
            taken = rest[: buffers.part_size - filled]
            part[filled : filled + len(taken)] = taken
            filled, rest = filled + len(taken), rest[len(taken) :]
            if filled == buffers.part_size:
                yield part
                part, filled = buffers.take(), 0
    if filled:
        yield part[:filled]


@contextmanager
def _open_upload(target: Target, buffers: _Buffers, watcher: Watcher) -> Iterator["_PartSender"]:
    """A new multipart upload, aborted where the block raises; an abort that fails is left to the reconciler."""
    client, bucket = target.bucket.client, target.bucket
    with storage_errors():
        answer = client.create_multipart_upload(Bucket=bucket.name, Key=target.key, ContentType=target.content_type)
    asked_again = answer["ResponseMetadata"]["RetryAttempts"] > 0
    upload = Upload(target.key, answer["UploadId"], buffers.part_size, asked_again)
    try:
        watcher.upload_made(upload)
        with ThreadPoolExecutor(PARALLEL_PARTS, thread_name_prefix="part") as pool:
            yield _PartSender(bucket, upload, pool, watcher, buffers)
    except BaseException:
        with suppress(MediaError):
            bucket.abort_upload(upload.key, upload.upload_id)
        raise


class _PartSender:
    """Sends parts a few at a time; blocks while all hands are busy, so that memory stays bounded."""

    def __init__(
        self, bucket: Bucket, upload: Upload, pool: ThreadPoolExecutor, watcher: Watcher, buffers: _Buffers
    ) -> None:
        self._bucket = bucket
        self._upload = upload
        self._pool = pool
        self._watcher = watcher
        self._buffers = buffers
        self._pending: set[Future[int]] = set()
        self._etags: dict[int, str] = {}
        self._sent = 0
        self.size = 0

    def send(self, part: bytearray) -> None:
        while len(self._pending) >= PARALLEL_PARTS:
            self._collect()
        self._sent += 1
        self.size += len(part)
        self._pending.add(self._pool.submit(self._send_part, self._sent, part))

    def complete(self) -> str:
        """Wait for the parts under way, and make the object of them; its ETag."""
        while self._pending:
            self._collect()
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

    def _collect(self) -> None:
        done, self._pending = wait(self._pending, return_when=FIRST_COMPLETED)
        for future in done:
            self._watcher.stored(future.result())

    def _send_part(self, number: int, part: bytearray) -> int:
        with storage_errors():
            answer = self._bucket.client.upload_part(
                Bucket=self._bucket.name,
                Key=self._upload.key,
                UploadId=self._upload.upload_id,
                PartNumber=number,
                Body=part,  # type: ignore[arg-type]  # botocore takes a bytearray; its stubs do not say so
                ContentMD5=content_md5(part),
            )
        self._etags[number] = answer["ETag"]
        self._buffers.give_back(part)
        return len(part)

"""The bucket: Cloudflare R2 or any S3, through boto3. Nothing else in Takeup knows S3.

Every method raises a `MediaError` of the `storage.*` codes where the bucket fails, and blocks until it answers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from app.core.config import Settings, get_settings
from app.core.media_errors import Blame, NoBucketError, StorageDeniedError, StorageUnavailableError
from app.services.storage import keys
from app.services.storage.checksums import content_crc32, content_md5
from app.services.storage.client import make_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DENIED_STATUS = frozenset({401, 403})
_REFUSED_STATUS = frozenset({400, 501})
_DELETE_BATCH = 1000  # DeleteObjects takes no more


class ObjectExistsError(Exception):
    """A conditional write found the key taken: an earlier attempt of the same generation got as far as that."""


class UploadGoneError(StorageUnavailableError):
    """The multipart upload was ended behind our back (R2 aborts after seven days); a new attempt makes a new one."""

    blame = Blame.NOBODY


@dataclass(frozen=True)
class StoredObject:
    """An object as the bucket describes it."""

    key: str
    bytes: int
    etag: str
    content_type: str


@dataclass(frozen=True)
class ListedObject:
    """An object as a listing shows it."""

    key: str
    bytes: int
    modified: datetime


@dataclass(frozen=True)
class StoredPart:
    """A part of a multipart upload."""

    number: int
    bytes: int
    etag: str


@dataclass(frozen=True)
class OpenUpload:
    """A multipart upload that is neither complete nor aborted."""

    key: str
    upload_id: str
    initiated: datetime


@contextmanager
def storage_errors() -> Iterator[None]:
    """Translate what boto3 raises into the `storage.*` codes."""
    try:
        yield
    except ClientError as error:
        raise _translate(error) from error
    except BotoCoreError as error:
        raise StorageUnavailableError from error


def _translate(error: ClientError) -> Exception:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == 412:
        return ObjectExistsError()
    if code == "NoSuchUpload":
        return UploadGoneError()
    if code == "NoSuchBucket":
        return NoBucketError()
    if status in _DENIED_STATUS:
        return StorageDeniedError()
    return StorageUnavailableError()


class Bucket:
    """One bucket, by the few operations that Takeup needs."""

    def __init__(self, client: "S3Client", name: str) -> None:
        self.client = client
        self.name = name
        self._compares_crc32: bool | None = None

    def check(self) -> None:
        """Raise unless the bucket is there and lets us in."""
        with storage_errors():
            self.client.list_objects_v2(Bucket=self.name, MaxKeys=1)

    def try_write(self) -> None:
        """Raise unless the bucket takes an object, and lets it be removed."""
        self.put(keys.TRIAL_KEY, b"takeup", "text/plain", only_new=False)
        self.delete([keys.TRIAL_KEY])

    def put(self, key: str, body: bytes | bytearray, content_type: str, *, only_new: bool = True) -> str:
        """Store a small object whole; its ETag. Raises `ObjectExistsError` where `only_new` finds the key taken."""
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if only_new else {}
        with storage_errors():
            answer = self.client.put_object(
                Bucket=self.name,
                Key=key,
                Body=body,  # type: ignore[arg-type]  # botocore takes a bytearray; its stubs do not say so
                ContentType=content_type,
                ContentMD5=content_md5(body),
                **condition,
            )
        return answer["ETag"]

    def head(self, key: str) -> StoredObject | None:
        """What is stored under the key; None for nothing."""
        try:
            answer = self.client.head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise _translate(error) from error
        except BotoCoreError as error:
            raise StorageUnavailableError from error
        return StoredObject(key, answer["ContentLength"], answer["ETag"], answer["ContentType"])

    def read(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on, fewer at the object's end."""
        with storage_errors():
            answer = self.client.get_object(Bucket=self.name, Key=key, Range=f"bytes={offset}-{offset + length - 1}")
            return answer["Body"].read()

    def stream(self, key: str, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """The whole object, in pieces."""
        with storage_errors():
            yield from self.client.get_object(Bucket=self.name, Key=key)["Body"].iter_chunks(chunk_bytes)

    def presigned_url(self, key: str, content_type: str, disposition: str, seconds: int) -> str:
        """An address that serves the object to anybody for so long, under these headers."""
        with storage_errors():
            return self.client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self.name,
                    "Key": key,
                    "ResponseContentType": content_type,
                    "ResponseContentDisposition": disposition,
                },
                ExpiresIn=seconds,
            )

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys under a prefix."""
        return (item.key for item in self.objects(prefix))

    def objects(self, prefix: str) -> Iterator[ListedObject]:
        """What lies under a prefix, in the order of the keys."""
        with storage_errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    yield ListedObject(item["Key"], item["Size"], item["LastModified"])

    def delete(self, keys: list[str]) -> None:
        """Remove these objects; one that is not there is no error."""
        for start in range(0, len(keys), _DELETE_BATCH):
            batch = [{"Key": key} for key in keys[start : start + _DELETE_BATCH]]
            with storage_errors():
                answer = self.client.delete_objects(Bucket=self.name, Delete={"Objects": batch, "Quiet": True})  # type: ignore[typeddict-item]
            if answer.get("Errors"):
                raise StorageUnavailableError

    def open_uploads(self, prefix: str) -> Iterator[OpenUpload]:
        """The multipart uploads under a prefix that were neither completed nor aborted."""
        with storage_errors():
            pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=prefix)
            for page in pages:
                for item in page.get("Uploads", ()):
                    yield OpenUpload(item["Key"], item["UploadId"], item["Initiated"])

    def upload_bytes(self, upload: OpenUpload) -> int:
        """How much the parts of a multipart upload hold. Raises `UploadGoneError`."""
        return sum(part.bytes for part in self.parts(upload.key, upload.upload_id))

    def parts(self, key: str, upload_id: str) -> Iterator[StoredPart]:
        """The parts that a multipart upload has so far. Raises `UploadGoneError`."""
        with storage_errors():
            pages = self.client.get_paginator("list_parts").paginate(Bucket=self.name, Key=key, UploadId=upload_id)
            for page in pages:
                for part in page.get("Parts", ()):
                    yield StoredPart(part["PartNumber"], part["Size"], part["ETag"])

    def learn_part_check(self, key: str, upload_id: str) -> None:
        """Find out, once, whether a CRC32 is compared here: the first part of a new upload is sent with a wrong one.

        Where it is taken all the same, the right part replaces it, and its size tells until then.
        """
        if self._compares_crc32 is not None:
            return
        body, wrong = b"0", content_crc32(b"1")
        try:
            self.client.upload_part(
                Bucket=self.name, Key=key, UploadId=upload_id, PartNumber=1, Body=body, ChecksumCRC32=wrong
            )
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in _REFUSED_STATUS:
                self._compares_crc32 = error.response.get("Error", {}).get("Code") == "BadDigest"
        except BotoCoreError:
            return
        else:
            self._compares_crc32 = False

    def put_part(self, key: str, upload_id: str, number: int, body: bytes | bytearray) -> str:
        """Store a part under a checksum that the bucket compares; its ETag. Raises `UploadGoneError`.

        CRC32 takes a thirtieth of the time of Content-MD5, which every S3 knows.
        """
        check: dict[str, Any] = (
            {"ChecksumCRC32": content_crc32(body)} if self._compares_crc32 else {"ContentMD5": content_md5(body)}
        )
        with storage_errors():
            answer = self.client.upload_part(
                Bucket=self.name,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=body,  # type: ignore[arg-type]  # botocore takes a bytearray; its stubs do not say so
                **check,
            )
        return answer["ETag"]

    def abort_upload(self, key: str, upload_id: str) -> None:
        """End a multipart upload and drop its parts; one that is gone is no error."""
        try:
            with storage_errors():
                self.client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload_id)
        except UploadGoneError:
            return


def open_bucket(settings: Settings) -> Bucket:
    return Bucket(make_client(settings), settings.s3_bucket)


@cache
def worker_bucket() -> Bucket:
    """The worker process's own bucket, made at its first use and so after the fork."""
    return open_bucket(get_settings())

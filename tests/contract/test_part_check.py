"""A part that was damaged on its way never stands in the bucket: a resume relies on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.core.media_errors import StorageUnavailableError
from app.services.storage.bucket import Bucket
from tests.contract.conftest import Place


@contextmanager
def every_part(bucket: Bucket, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """The requests that send parts are changed on their way."""
    event, handler = "before-call.s3.UploadPart", lambda params, **_: change(params)
    bucket.client.meta.events.register(event, handler)
    try:
        yield
    finally:
        bucket.client.meta.events.unregister(event, handler)


@pytest.mark.parametrize("learned", [False, True])
def test_part_that_was_damaged_on_its_way_is_refused(bucket: Bucket, place: Place, *, learned: bool) -> None:
    bucket = Bucket(bucket.client, bucket.name)
    key = place.key(1)
    upload_id = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)["UploadId"]
    if learned:
        bucket.learn_part_check(key, upload_id)

    def damage(params: dict[str, Any]) -> None:
        params["body"] = b"Part"

    with every_part(bucket, damage), pytest.raises(StorageUnavailableError):
        bucket.put_part(key, upload_id, 1, b"part")
    assert list(bucket.parts(key, upload_id)) == []
    bucket.put_part(key, upload_id, 1, b"part")
    assert [part.bytes for part in bucket.parts(key, upload_id)] == [4]
    bucket.abort_upload(key, upload_id)


def test_bucket_that_does_not_compare_crc32_gets_content_md5(bucket: Bucket, place: Place) -> None:
    bucket = Bucket(bucket.client, bucket.name)
    key = place.key(1)
    upload_id = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)["UploadId"]
    sent: list[dict[str, str]] = []

    def ignore(params: dict[str, Any]) -> None:
        sent.append(dict(params["headers"]))
        params["headers"].pop("x-amz-checksum-crc32", None)

    with every_part(bucket, ignore):
        bucket.learn_part_check(key, upload_id)
        bucket.put_part(key, upload_id, 1, b"part")
    assert ["Content-MD5" in headers for headers in sent] == [False, True]
    bucket.abort_upload(key, upload_id)

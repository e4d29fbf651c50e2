"""What the bucket did, and could not tell: an upload that is open, and that nobody knows of."""

from io import BytesIO
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from app.core.config import Settings
from app.services.storage.bucket import Bucket, open_bucket
from app.services.storage.multipart import PART_BYTES, Target, Upload, Watcher, store_stream
from tests.contract.conftest import Place


class Uploads(Watcher):
    """Notes the uploads it is told of."""

    def __init__(self) -> None:
        self.made: list[Upload] = []

    def upload_made(self, upload: Upload) -> None:
        self.made.append(upload)


def test_upload_whose_first_answer_was_lost_says_that_another_may_be_open(
    bucket: Bucket, place: Place, settings: Settings
) -> None:
    client = open_bucket(settings).client
    lost: list[str] = []

    def lose_the_first_answer(**_: object) -> Any:
        if lost:
            return None
        lost.append(bucket.client.create_multipart_upload(Bucket=bucket.name, Key=place.key(1))["UploadId"])
        return AWSResponse("", 503, HTTPHeaders(), HTTPResponse(BytesIO()))

    client.meta.events.register("before-send.s3.CreateMultipartUpload", lose_the_first_answer)
    notes = Uploads()
    store_stream(Target(Bucket(client, bucket.name), place.key(1), "video/mp4"), [bytes(PART_BYTES)], 1 << 30, notes)
    assert [upload.asked_again for upload in notes.made] == [True]
    assert [upload.upload_id for upload in bucket.open_uploads(place.prefix)] == lost
    notes = Uploads()
    store_stream(Target(bucket, place.key(2), "video/mp4"), [bytes(PART_BYTES)], 1 << 30, notes)
    assert [upload.asked_again for upload in notes.made] == [False]

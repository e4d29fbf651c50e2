"""boto3's client for the bucket: its timeouts, its retries, and what it must not do."""

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.handlers import add_expect_header

from app.core.config import Settings, get_settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def make_client(settings: Settings) -> "S3Client":
    """A client for one process; threads may share it.

    Checksums only where required: over https boto3's default sends chunked CRC trailers, which R2 refuses. Bodies
    carry a checksum of their own instead of a signed SHA-256.
    """
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=settings.s3_secret_access_key.get_secret_value(),
        config=Config(
            connect_timeout=3,
            read_timeout=30,
            max_pool_connections=16,
            retries={"total_max_attempts": 3, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path", "payload_signing_enabled": False},
        ),
    )
    client.meta.events.unregister("before-call.s3", add_expect_header)  # botocore waits 1 s for a 100 that few send
    return client


def read_descriptions() -> None:
    """Have boto3 read its descriptions of S3 now, for all processes that are forked from this one; nothing connects.

    Each would take a sixth of a second for it, before its first job.
    """
    make_client(get_settings()).close()

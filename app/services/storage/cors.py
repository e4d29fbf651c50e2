"""Which pages' scripts may read from the bucket: one rule of ours, beside those that somebody else has set.

Pictures and films of the page need no such rule; whatever reads bytes does, and the ranges of a file above all.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from app.services.storage.bucket import Bucket, storage_errors

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CORSRuleOutputTypeDef, CORSRuleTypeDef

_ID = "takeup"
_SECONDS = 3600


def allow_origins(bucket: Bucket, origins: Sequence[str]) -> None:
    """Let scripts of these origins read, by ranges too. Raises `MediaError` where the bucket does not take it."""
    rules = _rules(bucket)
    ours: CORSRuleTypeDef = {
        "ID": _ID,
        "AllowedOrigins": sorted(origins),
        "AllowedMethods": ["GET", "HEAD"],
        "AllowedHeaders": ["Range"],
        "ExposeHeaders": ["Content-Range", "Content-Length", "ETag"],
        "MaxAgeSeconds": _SECONDS,
    }
    if ours in rules:
        return
    others = [rule for rule in rules if rule.get("ID") != _ID]
    with storage_errors():
        bucket.client.put_bucket_cors(Bucket=bucket.name, CORSConfiguration={"CORSRules": [*others, ours]})


def allowed_origins(bucket: Bucket) -> list[str]:
    """The origins whose scripts may read. Raises `MediaError` where the bucket does not tell."""
    return sorted({origin for rule in _rules(bucket) for origin in rule["AllowedOrigins"]})


def _rules(bucket: Bucket) -> "list[CORSRuleOutputTypeDef]":
    with storage_errors():
        try:
            return bucket.client.get_bucket_cors(Bucket=bucket.name).get("CORSRules", [])
        except ClientError as error:
            if error.response["Error"].get("Code") == "NoSuchCORSConfiguration":
                return []
            raise

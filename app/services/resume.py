"""The upload that an earlier attempt of the same generation left behind, to go on with."""

from dataclasses import dataclass
from typing import Any

from app.crud.crud_lease import Claim
from app.services.fetch.ranges import Version
from app.services.fetch.source import Source
from app.services.storage.bucket import Bucket, UploadGoneError
from app.services.storage.multipart import Target, Upload
from app.services.transfer import missing_parts, part_count, span_of


@dataclass(frozen=True)
class Resumable:
    """An upload that stands in the bucket as the document tells, and the version of the source that is in it.

    The address of what was `extracted` is to be found anew.
    """

    target: Target
    upload: Upload
    version: Version
    extracted: bool

    @property
    def missing(self) -> list[int]:
        """The numbers of the parts that are still to be fetched."""
        return missing_parts(self.upload, self.version.length)

    @property
    def bytes(self) -> int:
        """What need not be fetched again."""
        spans = (span_of(number, self.version.length, self.upload.part_size) for number in self.upload.standing)
        return sum(stop - start for start, stop in spans)


def upload_document(upload: Upload, target: Target, source: Source) -> dict[str, Any]:
    """The document's `media.upload`; the source's validator is null where no other attempt can go on with it."""
    return {
        "key": upload.key,
        "upload_id": upload.upload_id,
        "part_size": upload.part_size,
        "content_type": target.content_type,
        "filename": source.filename,
        "source_etag": source.version.validator if source.version else None,
        "source_length": source.length,
        "extracted": source.extracted,
    }


def find_resumable(bucket: Bucket, claim: Claim) -> Resumable | None:
    """The upload that the document names, with those of its parts that are whole; None where none can be gone on with.

    A part was written under a checksum that the bucket compares, and under this upload's one version of the source: its
    number and size tell.
    """
    known = claim.upload
    if not known or not known.get("source_etag"):
        return None
    version = Version(known["source_etag"], known["source_length"])
    key, part_size = known["key"], known["part_size"]
    standing = {}
    try:
        for part in bucket.parts(key, known["upload_id"]):
            start, stop = span_of(part.number, version.length, part_size)
            if part.number <= part_count(version.length, part_size) and part.bytes == stop - start:
                standing[part.number] = part.etag
    except UploadGoneError:
        return None
    upload = Upload(key, known["upload_id"], part_size, standing=standing)
    return Resumable(Target(bucket, key, known["content_type"]), upload, version, known.get("extracted", False))

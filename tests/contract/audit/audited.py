"""What the tests of the audit put into database and bucket, and how they ask."""

from dataclasses import replace
from typing import Any

from app.core.database import Document, Sync
from app.models.media import Status
from app.services.audit import audit
from app.services.audit_finding import Auditor, Finding, Kind
from app.services.storage.bucket import Bucket
from tests.contract.conftest import Place, insert_scene


def insert_project(database: Sync, project_id: str) -> None:
    database["projects"].insert_one({"_id": project_id, "workspace": "default", "deletion": None})


def found(auditor: Auditor) -> list[Finding]:
    return list(audit(auditor))


def told(auditor: Auditor) -> list[tuple[Kind, str, int]]:
    return [(finding.kind, finding.where, finding.bytes) for finding in audit(auditor)]


def fixed(auditor: Auditor) -> list[Finding]:
    """What an audit with `--fix` tells; a second one must find nothing more."""
    fixing = replace(auditor, fix=True)
    findings = found(fixing)
    assert [finding.outcome for finding in findings] == ["fixed"] * len(findings)
    assert found(auditor) == []
    return findings


def store(bucket: Bucket, key: str, size: int = 3) -> str:
    bucket.put(key, b"x" * size, "video/mp4", only_new=False)
    return key


def stored_scene(database: Sync, bucket: Bucket, place: Place, **media: Any) -> Document:
    """A ready scene whose files are there."""
    original = {
        "key": store(bucket, place.key(1), 10),
        "bytes": 10,
        "content_type": "video/mp4",
        "filename": "clip.mp4",
        "etag": "e",
        "checksum": "sha256:0",
    }
    poster = {"key": store(bucket, place.key(1, "poster.webp"), 4), "width": 1, "height": 1}
    return insert_scene(database, Status.READY, place, **{"original": original, "poster": poster, **media})

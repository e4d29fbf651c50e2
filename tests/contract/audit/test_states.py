"""Scenes that the service cannot have written, or cannot take further: told, and mended."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.core.database import Sync, server_now_sync
from app.models.media import Status
from app.services import sweep
from app.services.audit_finding import Auditor, Kind
from tests.contract.audit.audited import fixed, found, store, stored_scene
from tests.contract.conftest import LINK, Place, insert_scene, lease, read_scene

BROKEN: list[tuple[Status, dict[str, Any], str]] = [
    (Status.QUEUED, {"status": "waiting"}, "a status that is none of ours"),
    (Status.QUEUED, {"generation": None}, "a generation that is no number"),
    (Status.DOWNLOADING, {"lease": None}, "active without a lease"),
    (Status.DOWNLOADING, {"lease": {"token": "t"}}, "a lease that never ends"),
    (Status.QUEUED, {"lease": lease(datetime(2026, 1, 1, tzinfo=UTC), 0)}, "a lease, but not active"),
    (Status.QUEUED, {"due_ms": None}, "waiting, and never due"),
    (Status.RETRYING, {"due_ms": None}, "waiting, and never due"),
    (Status.PENDING, {"due_ms": None}, "waiting, and never due"),
    (Status.READY, {"poster": None}, "ready without an original"),
    (Status.QUEUED, {"poster": {"width": 1, "height": 1}}, "a poster without a key"),
    (Status.FAILED, {"error": None}, "failed without an error"),
    (Status.QUEUED, {"attempt": 6}, "more attempts than allowed"),
    (Status.QUEUED, {"status_at": "2026-11-22 14:30:15"}, "a date that is text"),
    (Status.QUEUED, {"probe": {"kind": "smell"}}, "media that the API cannot read"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken[2])
def test_impossible_media_is_stored_again_from_its_link(
    database: Sync, auditor: Auditor, place: Place, broken: tuple[Status, dict[str, Any], str]
) -> None:
    status, media, problem = broken
    insert_scene(database, status, place)
    database["scenes"].update_one({}, {"$set": {f"media.{name}": value for name, value in media.items()}})
    store(auditor.bucket, place.key(4))
    told = [finding for finding in found(auditor) if finding.kind is Kind.IMPOSSIBLE_STATE]
    assert [(finding.where, finding.detail) for finding in told] == [(place.scene_id, problem)]
    fixed(auditor)
    scene = read_scene(database, place.scene_id)
    unreadable = media.get("generation", 1) is None
    assert (scene["media"]["status"], scene["media"]["source_url"]) == (Status.QUEUED, LINK)
    assert scene["media"]["generation"] == (5 if unreadable else 2)
    assert scene["sweep"]


@pytest.mark.parametrize("media", [{"source_url": None}, {"source_url": "", "lease": {"token": "t"}}])
def test_impossible_media_without_a_link_is_removed(
    database: Sync, auditor: Auditor, place: Place, media: dict[str, Any]
) -> None:
    insert_scene(database, Status.QUEUED, place, generation=3, **media)
    store(auditor.bucket, place.key(3))
    (finding,) = fixed(auditor)
    assert "media without a link" in finding.detail
    scene = read_scene(database, place.scene_id)
    assert (scene["media"], scene["last_generation"]) == (None, 3)
    assert list(auditor.bucket.keys("")) == []


def test_media_that_is_no_document_is_removed(database: Sync, auditor: Auditor, place: Place) -> None:
    insert_scene(database, None, place)
    database["scenes"].update_one({"_id": place.scene_id}, {"$set": {"media": "clip.mp4"}})
    assert [finding.detail for finding in fixed(auditor)] == ["media that is no document"]
    assert read_scene(database, place.scene_id)["media"] is None


def test_date_that_is_text_becomes_that_date(database: Sync, auditor: Auditor, place: Place) -> None:
    before = stored_scene(database, auditor.bucket, place)
    database["scenes"].update_one({"_id": place.scene_id}, {"$set": {"created_at": "2026-01-02 03:04:05"}})
    assert [finding.detail for finding in fixed(auditor)] == ["a date that is text"]
    after = read_scene(database, place.scene_id)
    assert after["created_at"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert after["media"] == before["media"]


@pytest.mark.parametrize("media", [{}, {"lease": None}])
def test_scene_of_no_project_is_deleted_with_its_files(database: Sync, auditor: Auditor, media: dict[str, Any]) -> None:
    place = Place(str(uuid4()), str(uuid4()))
    scene = insert_scene(database, Status.DOWNLOADING, place, **media)
    store(auditor.bucket, place.key(1))
    (finding,) = fixed(auditor)
    assert finding.detail.startswith("a scene of no project")
    scene = read_scene(database, place.scene_id)
    later = server_now_sync(database) + timedelta(seconds=301)
    assert sweep.finish_deletion(database, auditor.bucket, scene, later)
    assert list(auditor.bucket.keys("")) == []


def test_deletion_that_never_ends_is_written_anew(database: Sync, auditor: Auditor, place: Place) -> None:
    scene = insert_scene(database, Status.QUEUED, place, deleted=True)
    database["scenes"].update_one({"_id": place.scene_id}, {"$set": {"deletion": {"at": scene["deletion"]["at"]}}})
    assert [finding.detail for finding in fixed(auditor)] == ["a deletion that never ends"]
    sweep.clean_up(database, auditor.bucket)
    assert database["scenes"].count_documents({}) == 0

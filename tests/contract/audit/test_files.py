"""What the audit finds between database, bucket and disk, what it leaves alone, and that `--fix` mends it."""

import os
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.core.database import Document, Sync, server_now_sync
from app.core.media_errors import StorageUnavailableError
from app.crud import crud_audit
from app.crud.crud_scene import edit, sweep_note
from app.models.media import ACTIVE, Status
from app.services.audit_finding import Auditor, Kind
from app.services.fetch.scratch import job_folder
from app.services.storage import keys
from app.services.storage.bucket import Bucket, StoredObject
from tests.contract.audit.audited import fixed, found, insert_project, store, stored_scene, told
from tests.contract.conftest import LINK, Place, insert_scene, read_scene
from tests.servers import eventually

ERROR = {"code": "link.dead", "message": "m", "hint": "h", "retryable": False}


def test_healthy_service_has_nothing_to_tell(database: Sync, auditor: Auditor, place: Place) -> None:
    stored_scene(database, auditor.bucket, place)
    for status in [*Status, None]:
        own = Place(place.project_id, str(uuid4()))
        if status is Status.READY:
            continue
        insert_scene(database, status, own, error=ERROR if status is Status.FAILED else None)
        if status in ACTIVE:
            store(auditor.bucket, own.key(1))
            auditor.bucket.client.create_multipart_upload(Bucket=auditor.bucket.name, Key=own.key(1))
    insert_scene(database, Status.DOWNLOADING, Place(place.project_id, str(uuid4())), deleted=True, lease=None)
    store(auditor.bucket, "somebody-else/clip.mp4")
    store(auditor.bucket, keys.TRIAL_KEY)
    assert found(auditor) == []
    assert (auditor.counts.projects, auditor.counts.scenes, auditor.counts.objects) == (1, 12, 6)


def test_object_of_no_scene_is_told_with_its_bytes_and_deleted(auditor: Auditor, place: Place) -> None:
    of_no_scene = store(auditor.bucket, place.key(1), 7)
    of_no_project = store(auditor.bucket, Place(str(uuid4()), str(uuid4())).key(3), 8)
    expected = {(Kind.ORPHAN_OBJECT, of_no_scene, 7), (Kind.ORPHAN_OBJECT, of_no_project, 8)}
    assert set(told(auditor)) == expected
    assert auditor.bucket.head(of_no_scene) is not None
    assert len(fixed(auditor)) == 2
    assert auditor.bucket.head(of_no_scene) is None


def test_object_of_an_earlier_generation_is_an_orphan_and_a_later_one_is_not(
    database: Sync, auditor: Auditor, place: Place
) -> None:
    insert_scene(database, Status.DOWNLOADING, place, generation=2)
    for generation in (1, 2, 3):
        store(auditor.bucket, place.key(generation))
    assert [finding.where for finding in fixed(auditor)] == [place.key(1)]
    assert list(auditor.bucket.keys(place.prefix)) == [place.key(2), place.key(3)]


def test_every_project_is_looked_at_once_whoever_names_it(
    database: Sync, auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crud_audit, "_PAGE", 2)
    places = [Place(str(uuid4()), str(uuid4())) for _ in range(5)]
    for number, place in enumerate(places):
        insert_project(database, place.project_id)
        if number != 3:
            insert_scene(database, Status.QUEUED, place)
        if number != 4:
            store(auditor.bucket, place.key(0))
    assert [where for _, where, _ in told(auditor)] == sorted(place.key(0) for place in places[:4])
    assert (auditor.counts.projects, auditor.counts.scenes, auditor.counts.objects) == (5, 4, 4)


def test_what_is_young_is_left_alone(auditor: Auditor, place: Place) -> None:
    store(auditor.bucket, place.key(1))
    store(auditor.bucket, "projects/loose")
    auditor.bucket.client.create_multipart_upload(Bucket=auditor.bucket.name, Key=place.key(1))
    assert found(replace(auditor, grace=timedelta(hours=1))) == []
    assert len(found(auditor)) == 3


def test_what_the_reconciler_is_about_to_sweep_is_left_to_it(database: Sync, auditor: Auditor, place: Place) -> None:
    insert_scene(database, Status.CANCELED, place)
    store(auditor.bucket, place.key(1))
    auditor.bucket.client.create_multipart_upload(Bucket=auditor.bucket.name, Key=place.key(1))
    patient = replace(auditor, grace=timedelta(seconds=1))
    eventually(lambda: len(found(patient)) == 2, seconds=10, what="object and upload are older than the grace")
    database["scenes"].update_one({"_id": place.scene_id}, edit(sweep_note(server_now_sync(database))))
    assert found(patient) == []
    assert len(found(auditor)) == 2


def test_strays_are_told_wherever_they_lie(auditor: Auditor, place: Place) -> None:
    strays = [
        "projects/loose",
        "projects/not-a-project/clip.mp4",
        f"projects/{place.project_id}/notes.txt",
        f"{place.prefix}1/deep/er.mp4",
    ]
    for key in strays:
        store(auditor.bucket, key, 5)
    auditor.bucket.put("projects/folder/", b"", "application/x-directory")
    assert set(told(auditor)) == {(Kind.STRAY_OBJECT, key, 5) for key in strays}
    assert len(fixed(auditor)) == 4


def test_lost_original_is_stored_again_from_its_link(database: Sync, auditor: Auditor, place: Place) -> None:
    stored_scene(database, auditor.bucket, place)
    auditor.bucket.delete([place.key(1)])
    assert told(auditor) == [(Kind.MISSING_OBJECT, place.key(1), 10)]
    fixed(auditor)
    scene = read_scene(database, place.scene_id)
    assert (scene["media"]["status"], scene["media"]["generation"]) == (Status.QUEUED, 2)
    assert (scene["media"]["source_url"], scene["media"]["original"], scene["version"]) == (LINK, None, 2)
    assert list(auditor.bucket.keys(place.prefix)) == []


def test_original_of_another_size_counts_as_lost(database: Sync, auditor: Auditor, place: Place) -> None:
    stored_scene(database, auditor.bucket, place)
    store(auditor.bucket, place.key(1), 9)
    (finding,) = fixed(auditor)
    assert (finding.kind, finding.bytes) == (Kind.MISSING_OBJECT, 10)
    assert "has 9 bytes instead of 10" in finding.detail
    assert read_scene(database, place.scene_id)["media"]["status"] == Status.QUEUED


def test_lost_poster_leaves_the_scene_ready_without_one(database: Sync, auditor: Auditor, place: Place) -> None:
    before = stored_scene(database, auditor.bucket, place)
    auditor.bucket.delete([place.key(1, "poster.webp")])
    assert [finding.where for finding in fixed(auditor)] == [place.key(1, "poster.webp")]
    assert read_scene(database, place.scene_id)["media"] == {**before["media"], "poster": None}


def test_upload_that_no_scene_owns_is_told_with_the_bytes_of_its_parts(
    database: Sync, auditor: Auditor, place: Place
) -> None:
    insert_scene(database, Status.UPLOADING, place, generation=2)
    client, name = auditor.bucket.client, auditor.bucket.name
    for key in (place.key(1), place.key(2), "projects/loose"):
        upload = client.create_multipart_upload(Bucket=name, Key=key)["UploadId"]
        for number in (1, 2):
            client.upload_part(Bucket=name, Key=key, UploadId=upload, PartNumber=number, Body=b"x" * 6)
    assert set(told(auditor)) == {(Kind.ORPHAN_UPLOAD, place.key(1), 12), (Kind.ORPHAN_UPLOAD, "projects/loose", 12)}
    fixed(auditor)
    assert [upload.key for upload in auditor.bucket.open_uploads("")] == [place.key(2)]


def test_scratch_folder_is_told_once_its_job_is_gone(auditor: Auditor) -> None:
    scratch = auditor.settings.scratch_dir
    left = scratch / "job-left"
    (left / "deep").mkdir(parents=True)
    (left / "deep" / "part").write_bytes(b"x" * 11)
    with job_folder(scratch) as held:
        assert told(auditor) == [(Kind.SCRATCH_FOLDER, str(left), 11)]
        assert found(replace(auditor, grace=timedelta(hours=1))) == []
        os.utime(left, (0, 0))
        assert len(found(replace(auditor, grace=timedelta(hours=1)))) == 1
        fixed(auditor)
        assert list(scratch.iterdir()) == [held]


def test_scene_that_was_made_meanwhile_keeps_its_files(
    database: Sync, auditor: Auditor, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_scene(database, Status.DOWNLOADING, place)
    store(auditor.bucket, place.key(1))
    monkeypatch.setattr(crud_audit, "named_project_ids", lambda _: iter(()))
    assert found(replace(auditor, fix=True)) == []
    assert auditor.bucket.head(place.key(1)) is not None


def test_original_that_was_given_up_meanwhile_is_not_missed(database: Sync, auditor: Auditor, place: Place) -> None:
    class GivenUp(Bucket):
        def head(self, key: str) -> StoredObject | None:
            database["scenes"].update_one({"_id": place.scene_id}, {"$set": {"media.status": Status.CANCELED}})
            return super().head(key)

    stored_scene(database, auditor.bucket, place)
    auditor.bucket.delete([place.key(1), place.key(1, "poster.webp")])
    given_up = GivenUp(auditor.bucket.client, auditor.bucket.name)
    assert found(replace(auditor, bucket=given_up, fix=True)) == []
    assert read_scene(database, place.scene_id)["version"] == 1


def test_state_that_is_mended_meanwhile_is_not_told(
    database: Sync, auditor: Auditor, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = insert_scene(database, Status.QUEUED, place, due_ms=None)
    database["scenes"].update_one({"_id": place.scene_id}, {"$set": {"media.due_ms": 1}})
    monkeypatch.setattr(crud_audit, "scenes_of", lambda *_: iter([broken]))
    assert found(auditor) == []


def test_mending_loses_nothing_that_was_written_in_between(database: Sync, place: Place) -> None:
    insert_scene(database, Status.QUEUED, place)

    def change(scene: Document, now: datetime) -> Document:
        if scene["version"] == 1:
            database["scenes"].update_one({"_id": place.scene_id}, edit({"text": "typed meanwhile"}))
        return {"media": None}

    assert crud_audit.mend(database, place.scene_id, change)
    scene = read_scene(database, place.scene_id)
    assert (scene["text"], scene["media"], scene["version"]) == ("typed meanwhile", None, 3)


def test_bucket_is_asked_for_suspects_alone(database: Sync, auditor: Auditor, place: Place) -> None:
    asked = []

    class Asked(Bucket):
        def head(self, key: str) -> StoredObject | None:
            asked.append(key)
            return super().head(key)

    suspect = store(auditor.bucket, Place(str(UUID(int=0)), str(UUID(int=0))).key(1))
    stored_scene(database, auditor.bucket, place)
    asking = replace(auditor, bucket=Asked(auditor.bucket.client, auditor.bucket.name))
    assert [finding.where for finding in found(asking)] == asked == [suspect]


def test_fix_that_fails_is_told_and_holds_up_no_other(auditor: Auditor, place: Place) -> None:
    stuck, free = store(auditor.bucket, place.key(1)), store(auditor.bucket, place.key(2))

    class Refusing(Bucket):
        def delete(self, keys: list[str]) -> None:
            if stuck in keys:
                raise StorageUnavailableError
            super().delete(keys)

    refusing = Refusing(auditor.bucket.client, auditor.bucket.name)
    findings = found(replace(auditor, bucket=refusing, fix=True))
    assert {finding.where: finding.outcome for finding in findings} == {stuck: "failed", free: "fixed"}
    assert findings[0].reason == StorageUnavailableError().sentence
    assert auditor.bucket.head(free) is None


def test_no_file_is_deleted_where_files_are_spared(auditor: Auditor, place: Place) -> None:
    store(auditor.bucket, place.key(1))
    auditor.bucket.client.create_multipart_upload(Bucket=auditor.bucket.name, Key=place.key(1))
    sparing = replace(auditor, fix=True, spare_files=True)
    assert [finding.outcome for finding in found(sparing)] == ["failed", "failed"]
    assert len(found(auditor)) == 2

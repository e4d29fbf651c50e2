"""What an attempt does when it fails, or when it has lost the scene without knowing."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from shutil import disk_usage

import pytest

from app.core.config import Settings
from app.core.database import Sync, connect_sync, server_now_sync
from app.core.media_errors import LinkNotFoundError, ServerFaultError, StorageDeniedError, UnsafeMediaError
from app.crud import crud_lease
from app.crud.crud_lease import Claim
from app.demo.origin import Origin
from app.models.media import Status, milliseconds
from app.services.acquire import Acquisition
from app.services.fetch.scratch import claim_space, job_folder
from app.services.intake import Intake
from app.services.lease import HandOverError, LeaseKeeper, LeaseLostError
from app.services.storage.bucket import Bucket
from app.services.sweep import sweep_disk
from tests.contract.conftest import Place, insert_scene, read_scene
from tests.servers import eventually, shared_samples


def claim_of(database: Sync, place: Place) -> Claim:
    insert_scene(database, Status.QUEUED, place)
    claim = crud_lease.claim(database, place.scene_id, 1, "w", 30)
    assert claim is not None
    return claim


@pytest.fixture
def intake(database: Sync, bucket: Bucket, settings: Settings) -> Intake:
    return Intake(database, bucket, settings, "w")


def keeper_of(database: Sync, claim: Claim) -> LeaseKeeper:
    return LeaseKeeper(database, claim, 30, 60)


def acquisition_of(intake: Intake, claim: Claim, keeper: LeaseKeeper) -> Acquisition:
    return Acquisition(intake.bucket, intake.settings, claim, keeper)


def test_an_attempt_that_lost_its_scene_deletes_nothing_when_it_fails(
    intake: Intake, database: Sync, bucket: Bucket, place: Place
) -> None:
    """Frozen past its lease, and woken up when another worker has stored the same generation."""
    claim = claim_of(database, place)
    bucket.put(place.key(1), b"stored by another", "video/mp4")
    ready = {"media.status": Status.READY, "media.lease": None, "media.original": {"key": place.key(1)}}
    database["scenes"].update_one({"_id": place.scene_id}, {"$set": ready})
    intake._fail(claim, keeper_of(database, claim), UnsafeMediaError())
    assert bucket.head(place.key(1)) is not None
    assert read_scene(database, place.scene_id)["media"]["status"] == Status.READY


def test_a_final_failure_leaves_nothing_in_the_bucket(
    intake: Intake, database: Sync, bucket: Bucket, place: Place
) -> None:
    claim = claim_of(database, place)
    bucket.put(place.key(1), b"no media", "video/mp4")
    intake._fail(claim, keeper_of(database, claim), LinkNotFoundError())
    scene = read_scene(database, place.scene_id)
    assert (scene["media"]["status"], scene["media"]["error"]["code"]) == (Status.FAILED, "link.not_found")
    assert bucket.head(place.key(1)) is None
    assert scene["sweep"]["at_ms"] > milliseconds(scene["updated_at"])


def test_a_failure_for_now_keeps_what_is_stored_and_says_when_it_goes_on(
    intake: Intake, database: Sync, bucket: Bucket, place: Place
) -> None:
    claim = claim_of(database, place)
    bucket.put(place.key(1), b"whole", "video/mp4")
    intake._fail(claim, keeper_of(database, claim), ServerFaultError())
    media = read_scene(database, place.scene_id)["media"]
    assert (media["status"], media["lease"]) == (Status.RETRYING, None)
    assert media["due_ms"] > milliseconds(media["status_at"])
    assert bucket.head(place.key(1)) is not None


@pytest.mark.parametrize(
    ("seconds", "stopping", "over"),
    [(20, None, False), (20, 14.9, False), (20, 15.1, True), (4, 1.9, False), (4, 2.1, True), (600, 594, False)],
)
def test_hand_over_begins_while_there_is_time_for_it(
    intake: Intake, monkeypatch: pytest.MonkeyPatch, seconds: float, stopping: float | None, *, over: bool
) -> None:
    monkeypatch.setattr("app.services.intake.stopping_for", lambda: stopping)
    settings = intake.settings.model_copy(update={"takeup_shutdown_seconds": seconds})
    assert replace(intake, settings=settings)._stops() is over


def test_work_ends_when_the_scene_must_be_handed_over(database: Sync, place: Place) -> None:
    claim = claim_of(database, place)
    with LeaseKeeper(database, claim, 30, 60, lambda: True) as keeper, pytest.raises(HandOverError):
        keeper.check()


def test_what_an_attempt_stored_before_it_was_given_back_is_not_left_behind(
    intake: Intake, database: Sync, bucket: Bucket, place: Place
) -> None:
    """The same attempt is taken again, and the link has another kind of file by then."""
    bucket.put(place.key(1, "original.mp4"), b"first", "video/mp4")
    intake._give_back(claim_of(database, place))
    claim = crud_lease.claim(database, place.scene_id, 1, "w", 30)
    assert claim is not None
    bucket.put(place.key(1, "original.webm"), b"second", "video/webm")
    work = keeper_of(database, claim)
    if acquisition_of(intake, claim, work).adopted() is None:
        work.advance(Status.DOWNLOADING)
        work.advance(Status.UPLOADING)
    work.advance(Status.PROCESSING)
    intake._finish(claim, {"key": place.key(1, "original.webm"), "bytes": 6}, {})
    assert len(list(bucket.keys(place.prefix))) == 1 or read_scene(database, place.scene_id).get("sweep")


def test_upload_of_an_attempt_that_was_given_back_is_aborted_by_the_next(
    intake: Intake, database: Sync, bucket: Bucket, place: Place
) -> None:
    """The bucket refused to abort it, and everything else too."""
    key = place.key(1)
    upload_id = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)["UploadId"]
    claim = claim_of(database, place)
    assert crud_lease.note_upload(database, claim, {"key": key, "upload_id": upload_id, "part_size": 1})
    intake._fail(claim, keeper_of(database, claim), StorageDeniedError())
    again = crud_lease.claim(database, place.scene_id, 1, "w", 30)
    assert again is not None
    assert again.attempt == 1
    assert acquisition_of(intake, again, keeper_of(database, again))._resumed() is None
    assert list(bucket.open_uploads(place.prefix)) == []


@pytest.fixture
def silent_database(settings: Settings) -> Iterator[Sync]:
    """A database whose host takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        uri = f"mongodb://127.0.0.1:{silent.getsockname()[1]}/"
        database = connect_sync(settings.model_copy(update={"mongodb_uri": uri}))
        with database.client:
            yield database


def test_without_an_answer_from_the_database_the_work_stops_before_the_lease_ends(
    database: Sync, silent_database: Sync, place: Place
) -> None:
    claim = claim_of(database, place)
    lease_seconds = 2.0
    began = time.monotonic()
    with LeaseKeeper(silent_database, claim, lease_seconds, 60) as keeper:
        eventually(lambda: _has_stopped(keeper), seconds=5, what="the work stops")
        assert time.monotonic() - began < lease_seconds


def _has_stopped(keeper: LeaseKeeper) -> bool:
    try:
        keeper.check()
    except LeaseLostError:
        return True
    return False


def test_job_without_room_on_the_disk_waits_queued_says_why_and_goes_on_when_there_is_some(
    intake: Intake, database: Sync, place: Place, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = intake.settings.model_copy(
        update={"takeup_scratch_dir": tmp_path, "takeup_allow_networks": (ip_network("127.0.0.1/32"),)}
    )
    intake = replace(intake, settings=settings)
    with Origin(shared_samples(tmp_path_factory).folder) as origin:
        insert_scene(database, Status.QUEUED, place, source_url=origin.url("hls/master.m3u8"))
        with job_folder(tmp_path) as other:
            claim_space(other, disk_usage(tmp_path).free - (64 << 20), 0)
            assert not intake.run(place.scene_id, 1)
            media = read_scene(database, place.scene_id)["media"]
            assert (media["status"], media["attempt"], media["attempts"]) == (Status.QUEUED, 0, [])
            assert media["error"]["code"] == "worker.disk_full"
            assert media["due_ms"] > milliseconds(server_now_sync(database), 30)
        intake.run(place.scene_id, 1)
    media = read_scene(database, place.scene_id)["media"]
    assert (media["status"], media["attempt"], media["error"]) == (Status.READY, 1, None)
    assert not list(tmp_path.iterdir())


def test_job_whose_end_is_written_is_not_spoilt_by_cleaning_up_after_others(
    intake: Intake, database: Sync, database_settings: Settings, place: Place, tmp_path: Path
) -> None:
    """The database goes right after it: what another job left on the disk is cleaned up by the next round."""
    left = tmp_path / "job-another.1"
    left.mkdir()
    insert_scene(database, Status.QUEUED, place, source_url="http://127.0.0.1/")
    settings = intake.settings.model_copy(update={"takeup_scratch_dir": tmp_path})
    own = connect_sync(database_settings)

    def gone_at_the_end(_: str, *scene_ids: str) -> None:
        if read_scene(database, *scene_ids)["media"]["status"] == Status.FAILED:
            own.client.close()

    intake = replace(intake, database=own, settings=settings, changed=gone_at_the_end)
    assert not intake.run(place.scene_id, 1)
    assert left.exists()
    sweep_disk(database, tmp_path)
    assert not left.exists()

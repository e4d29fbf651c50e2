"""A file that is fetched in parts, by several connections, and gone on with by the next attempt."""

from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from app.core.config import Settings
from app.core.database import server_now_sync
from app.crud import crud_lease
from app.demo.origin import Origin
from app.models.media import Status
from app.services import sweep
from app.services.storage import multipart
from app.services.storage.bucket import Bucket, open_bucket
from app.services.storage.multipart import PART_BYTES
from app.services.sweep import sweep_scene
from tests.contract.taken_in import TakenIn, interrupt
from tests.faults.sources import LARGE, LARGE_BYTES
from tests.servers import wait_for

PARTS = 3
LAST_BYTES = LARGE_BYTES - (PARTS - 1) * PART_BYTES
SLOW = 12_000_000
"""Bytes a second over each connection."""


def test_file_is_fetched_over_several_connections_and_no_byte_twice(taken: TakenIn, origin: Origin) -> None:
    taken.insert(origin.url(LARGE, rate=SLOW))
    media = taken.run()
    taken.assert_whole(media)
    assert (origin.requests[LARGE], origin.bytes_sent[LARGE]) == (PARTS, LARGE_BYTES)
    assert media["attempts"][0]["resumed_bytes"] == 0


def test_one_connection_is_enough(taken: TakenIn, origin: Origin) -> None:
    settings = taken.intake.settings.model_copy(update={"takeup_fetch_connections": 1})
    taken.insert(origin.url(LARGE))
    taken.assert_whole(replace(taken, intake=replace(taken.intake, settings=settings)).run())
    assert (origin.requests[LARGE], origin.bytes_sent[LARGE]) == (PARTS, LARGE_BYTES)


def test_file_of_one_part_is_one_request_and_no_upload(taken: TakenIn, origin: Origin) -> None:
    taken.insert(origin.url("clip.mp4"))
    asked: list[str] = []
    taken.intake.bucket.client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    taken.assert_whole(taken.run(), "clip.mp4")
    assert origin.requests["clip.mp4"] == 1
    assert "CreateMultipartUpload" not in asked


@pytest.mark.parametrize("standing", [(1,), (2,), (1, 3), ()])
def test_parts_that_stand_are_not_fetched_again(taken: TakenIn, origin: Origin, standing: tuple[int, ...]) -> None:
    taken.insert(origin.url(LARGE))
    taken.leave_upload(standing)
    media = taken.run()
    taken.assert_whole(media)
    saved = sum(LAST_BYTES if number == PARTS else PART_BYTES for number in standing)
    assert media["attempts"][0]["resumed_bytes"] == saved
    assert origin.bytes_sent[LARGE] == LARGE_BYTES - saved
    assert media["original"]["filename"] == "a boat.mp4"


def test_upload_that_is_whole_is_completed_without_its_source(taken: TakenIn, origin: Origin) -> None:
    taken.insert(origin.url("nowhere.mp4"))
    taken.leave_upload((1, 2, 3))
    media = taken.run()
    taken.assert_whole(media)
    assert media["attempts"][0]["resumed_bytes"] == LARGE_BYTES
    assert origin.requests == {}


def test_part_of_a_wrong_size_is_fetched_again(taken: TakenIn, origin: Origin) -> None:
    taken.insert(origin.url(LARGE))
    taken.leave_upload((1, 2), cut=1)
    media = taken.run()
    taken.assert_whole(media)
    assert media["attempts"][0]["resumed_bytes"] == PART_BYTES


def test_changed_source_starts_a_new_upload(taken: TakenIn, origin: Origin) -> None:
    taken.insert(origin.url(LARGE))
    taken.leave_upload((1, 2), validator='"another version"')
    media = taken.run()
    taken.assert_whole(media)
    assert media["attempts"][0]["resumed_bytes"] == 0


def test_site_that_forgot_ranges_starts_a_new_upload(taken: TakenIn, origin: Origin) -> None:
    taken.insert(origin.url(LARGE, noranges=1))
    taken.leave_upload((1, 2))
    media = taken.run()
    taken.assert_whole(media)
    assert media["attempts"][0]["resumed_bytes"] == 0


def test_upload_that_vanished_is_begun_anew(taken: TakenIn, origin: Origin) -> None:
    taken.insert(origin.url(LARGE))
    taken.intake.bucket.abort_upload(taken.place.key(1), taken.leave_upload((1, 2)))
    media = taken.run()
    taken.assert_whole(media)
    assert media["attempts"][0]["resumed_bytes"] == 0


def test_object_that_was_completed_and_not_written_down_is_adopted(taken: TakenIn, origin: Origin) -> None:
    taken.insert(origin.url(LARGE))
    upload_id = taken.leave_upload((1, 2, 3))
    place: Any = {"Bucket": taken.intake.bucket.name, "Key": taken.place.key(1), "UploadId": upload_id}
    parts: Any = [
        {"PartNumber": part.number, "ETag": part.etag}
        for part in taken.intake.bucket.parts(taken.place.key(1), upload_id)
    ]
    taken.intake.bucket.client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    media = taken.run()
    taken.assert_whole(media)
    assert media["original"]["filename"] == "a boat.mp4"
    assert origin.requests == {}


@pytest.mark.parametrize("faults", [{}, {"noranges": 1}])
def test_worker_that_hands_over_leaves_its_parts_to_the_next(
    taken: TakenIn, origin: Origin, monkeypatch: pytest.MonkeyPatch, faults: dict[str, int]
) -> None:
    taken.insert(origin.url(LARGE, rate=SLOW // 3, **faults))
    media = interrupt(taken, monkeypatch, lambda: bool(taken.parts()))
    assert (media["status"], media["attempt"]) == (Status.QUEUED, 0)
    saved = sum(taken.parts().values())
    with Origin(taken.folder) as another:  # which knows ranges, as the same site may the next time
        link = {"$set": {"media.source_url": another.url(LARGE)}}
        taken.intake.database["scenes"].update_one({"_id": taken.place.scene_id}, link)
        media = taken.run()
        taken.assert_whole(media)
        assert 0 < saved == media["attempts"][0]["resumed_bytes"]
        assert another.bytes_sent[LARGE] == LARGE_BYTES - saved


def test_attempt_that_fails_for_now_keeps_its_upload_and_no_sweep_takes_it(
    taken: TakenIn, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken.insert(origin.url(LARGE, rate=SLOW // 3))
    attempt = Thread(target=taken.run)
    attempt.start()
    wait_for(taken.parts, 30, "a part is stored")
    origin.close()
    attempt.join(30)
    media = taken.media
    assert (media["status"], media["error"]["code"]) == (Status.RETRYING, "fetch.connection")
    monkeypatch.setattr(sweep, "_UPLOAD_AGE", timedelta(seconds=-60))
    database, bucket = taken.intake.database, taken.intake.bucket
    assert sweep_scene(database, bucket, taken.place.project_id, taken.place.scene_id) == 0
    assert taken.uploads() == [media["upload"]["upload_id"]]
    with Origin(taken.folder, port=origin.port) as again:
        media = taken.run()
        taken.assert_whole(media)
        resumed = media["attempts"][-1]["resumed_bytes"]
        assert again.bytes_sent[LARGE] == LARGE_BYTES - resumed < LARGE_BYTES


def test_attempt_that_fails_for_good_leaves_nothing(taken: TakenIn, origin: Origin) -> None:
    taken.insert(origin.url("nowhere.mp4"))
    taken.leave_upload((1,))
    media = taken.run()
    assert (media["status"], media["error"]["code"]) == (Status.FAILED, "link.not_found")
    assert taken.uploads() == []
    assert list(taken.intake.bucket.keys(taken.place.prefix)) == []


def test_source_that_changes_while_it_is_fetched_is_fetched_anew_in_one_piece(
    taken: TakenIn, origin: Origin, tmp_path: Path
) -> None:
    """Bytes of both versions are never in one object."""
    name = "changing.mp4"
    first, second = tmp_path / "first", tmp_path / "second"
    body = (taken.folder / LARGE).read_bytes()
    first.write_bytes(body)
    second.write_bytes(body[: 2 * PART_BYTES] + body[2 * PART_BYTES :][::-1])
    first.replace(taken.folder / name)
    # Fewer connections than parts, so that one is still to be asked for when the file changes.
    settings = taken.intake.settings.model_copy(update={"takeup_fetch_connections": 2})
    taken = replace(taken, intake=replace(taken.intake, settings=settings))
    taken.insert(origin.url(name, rate=SLOW // 3))
    attempt = Thread(target=taken.run)
    attempt.start()
    wait_for(lambda: origin.bytes_sent.get(name, 0) > 1 << 20, 30, "it is being fetched")
    second.replace(taken.folder / name)
    attempt.join(30)
    media = taken.media
    assert (media["status"], media["error"]["code"]) == (Status.RETRYING, "fetch.source_changed")
    assert (taken.uploads(), media["upload"]) == ([], None)
    requests = origin.requests[name]
    taken.assert_whole(taken.run(), name)
    assert origin.requests[name] == requests + 1


def test_bucket_that_refuses_parts_for_a_while_costs_no_attempt(
    taken: TakenIn, origin: Origin, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "_PAUSES_SECONDS", (0.05, 0.05, 0.05))
    client = open_bucket(settings).client
    refused: list[int] = []

    def refuse(**_: object) -> Any:
        if len(refused) >= 7:
            return None
        refused.append(503)
        return AWSResponse("", 503, HTTPHeaders(), HTTPResponse(BytesIO()))

    client.meta.events.register("before-send.s3.UploadPart", refuse)
    taken.insert(origin.url(LARGE))
    other = replace(taken.intake, bucket=Bucket(client, taken.intake.bucket.name))
    media = replace(taken, intake=other).run()
    taken.assert_whole(media)
    assert (len(refused), [attempt["outcome"] for attempt in media["attempts"]]) == (7, ["ready"])


def test_source_that_sends_too_slowly_is_stalled(
    taken: TakenIn, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.acquire._RATE_SECONDS", 0.5)
    settings = taken.intake.settings.model_copy(update={"takeup_min_bytes_per_second": 1_000_000})
    taken.insert(origin.url("clip.mp4", rate=50_000))
    media = replace(taken, intake=replace(taken.intake, settings=settings)).run()
    assert media["error"]["code"] == "fetch.stalled"
    assert "bytes came in" in media["error"]["message"]


def test_claim_shows_the_upload_that_it_goes_on_with(taken: TakenIn, origin: Origin) -> None:
    """The lease's token is another, the upload the same: a stale worker can only put the same bytes into it."""
    taken.insert(origin.url(LARGE))
    upload_id = taken.leave_upload((1,))
    claim = crud_lease.claim(taken.intake.database, taken.place.scene_id, 1, "w", 30)
    assert claim is not None
    assert claim.upload is not None
    assert claim.upload["upload_id"] == upload_id
    assert claim.started_at <= server_now_sync(taken.intake.database)

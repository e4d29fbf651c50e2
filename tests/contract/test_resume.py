"""A file that is fetched in parts, by several connections, and gone on with by the next attempt."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from io import BytesIO
from ipaddress import ip_network
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from app.core.config import Settings
from app.core.database import Document, Sync, server_now_sync
from app.crud import crud_lease
from app.demo.bodies import find_body
from app.demo.origin import Origin
from app.models.media import Status
from app.services import sweep
from app.services.intake import Intake
from app.services.storage import multipart
from app.services.storage.bucket import Bucket, open_bucket
from app.services.storage.multipart import PART_BYTES
from app.services.sweep import sweep_scene
from tests.contract.conftest import Place, insert_scene, read_scene
from tests.faults.sources import LARGE, LARGE_BYTES, make_sources
from tests.servers import shared_samples, wait_for

PARTS = 3
LAST_BYTES = LARGE_BYTES - (PARTS - 1) * PART_BYTES
SLOW = 12_000_000
"""Bytes a second over each connection."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sources(shared_samples(tmp_path_factory), tmp_path_factory.mktemp("origin") / "sources")


@pytest.fixture
def origin(folder: Path) -> Iterator[Origin]:
    with Origin(folder) as origin:
        yield origin


@dataclass(frozen=True)
class Bench:
    """One scene, the worker that takes it in, and what the bucket has of it."""

    intake: Intake
    place: Place
    folder: Path

    def insert(self, link: str, **media: Any) -> None:
        insert_scene(self.intake.database, Status.QUEUED, self.place, source_url=link, **media)

    def run(self) -> Document:
        """One attempt; the scene's media after it."""
        due = {"$set": {"media.due_ms": 0}}
        self.intake.database["scenes"].update_one({"_id": self.place.scene_id}, due)
        self.intake.run(self.place.scene_id, 1)
        return self.media

    @property
    def media(self) -> Document:
        media: Document = read_scene(self.intake.database, self.place.scene_id)["media"]
        return media

    def leave_upload(self, standing: tuple[int, ...], *, validator: str | None = None, cut: int = 0) -> str:
        """What a worker leaves that dies: an upload with these parts, the last of them `cut` bytes too short."""
        bucket, body = self.intake.bucket, (self.folder / LARGE).read_bytes()
        place: Any = {"Bucket": bucket.name, "Key": self.place.key(1)}
        upload_id = bucket.client.create_multipart_upload(**place, ContentType="video/mp4")["UploadId"]
        for number in standing:
            part = body[(number - 1) * PART_BYTES : number * PART_BYTES]
            part = part[: len(part) - (cut if number == standing[-1] else 0)]
            bucket.client.upload_part(**place, UploadId=upload_id, PartNumber=number, Body=part)
        upload = {
            "key": self.place.key(1),
            "upload_id": upload_id,
            "part_size": PART_BYTES,
            "content_type": "video/mp4",
            "filename": "a boat.mp4",
            "source_etag": validator or find_body(self.folder, LARGE).etag,
            "source_length": LARGE_BYTES,
        }
        scenes = self.intake.database["scenes"]
        scenes.update_one({"_id": self.place.scene_id}, {"$set": {"media.upload": upload, "media.given_back": True}})
        return upload_id

    def uploads(self) -> list[str]:
        return [upload.upload_id for upload in self.intake.bucket.open_uploads(self.place.prefix)]

    def assert_whole(self, media: Document, name: str = LARGE) -> None:
        """The scene is ready with the bytes of that source, and nothing else is left in the bucket."""
        assert media["status"] == Status.READY, media
        expected = sha256((self.folder / name).read_bytes()).hexdigest()
        digest = sha256(b"".join(self.intake.bucket.stream(media["original"]["key"]))).hexdigest()
        assert digest == expected
        assert media["original"]["checksum"] == f"sha256:{expected}"
        originals = [key for key in self.intake.bucket.keys(self.place.prefix) if "/original." in key]
        assert originals == [media["original"]["key"]]
        assert self.uploads() == []
        assert media["upload"] is None


@pytest.fixture
def bench(database: Sync, bucket: Bucket, settings: Settings, place: Place, folder: Path) -> Bench:
    local = settings.model_copy(
        update={"takeup_allow_networks": (ip_network("127.0.0.1/32"),), "takeup_read_timeout_seconds": 5.0}
    )
    return Bench(Intake(database, bucket, local, "w"), place, folder)


def interrupt(bench: Bench, monkeypatch: pytest.MonkeyPatch, ready: Callable[[], bool]) -> Document:
    """An attempt whose worker is told to stop once `ready`; the scene's media after it."""
    stopping: list[float] = []
    monkeypatch.setattr("app.services.intake.stopping_for", lambda: stopping[0] if stopping else None)
    attempt = Thread(target=bench.run)
    attempt.start()
    wait_for(ready, 30, "the moment to interrupt")
    stopping.append(1e6)
    attempt.join(30)
    assert not attempt.is_alive()
    stopping.clear()
    return bench.media


def parts_of(bench: Bench) -> dict[int, int]:
    """The bytes of each part in the bucket."""
    upload = bench.media["upload"]
    parts = bench.intake.bucket.parts(upload["key"], upload["upload_id"]) if upload else ()
    return {part.number: part.bytes for part in parts}


def test_file_is_fetched_over_several_connections_and_no_byte_twice(bench: Bench, origin: Origin) -> None:
    bench.insert(origin.url(LARGE, rate=SLOW))
    media = bench.run()
    bench.assert_whole(media)
    assert (origin.requests[LARGE], origin.bytes_sent[LARGE]) == (PARTS, LARGE_BYTES)
    assert media["attempts"][0]["resumed_bytes"] == 0


def test_one_connection_is_enough(bench: Bench, origin: Origin) -> None:
    settings = bench.intake.settings.model_copy(update={"takeup_fetch_connections": 1})
    bench.insert(origin.url(LARGE))
    bench.assert_whole(replace(bench, intake=replace(bench.intake, settings=settings)).run())
    assert (origin.requests[LARGE], origin.bytes_sent[LARGE]) == (PARTS, LARGE_BYTES)


def test_file_of_one_part_is_one_request_and_no_upload(bench: Bench, origin: Origin) -> None:
    bench.insert(origin.url("clip.mp4"))
    asked: list[str] = []
    bench.intake.bucket.client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    bench.assert_whole(bench.run(), "clip.mp4")
    assert origin.requests["clip.mp4"] == 1
    assert "CreateMultipartUpload" not in asked


@pytest.mark.parametrize("standing", [(1,), (2,), (1, 3), ()])
def test_parts_that_stand_are_not_fetched_again(bench: Bench, origin: Origin, standing: tuple[int, ...]) -> None:
    bench.insert(origin.url(LARGE))
    bench.leave_upload(standing)
    media = bench.run()
    bench.assert_whole(media)
    saved = sum(LAST_BYTES if number == PARTS else PART_BYTES for number in standing)
    assert media["attempts"][0]["resumed_bytes"] == saved
    assert origin.bytes_sent[LARGE] == LARGE_BYTES - saved
    assert media["original"]["filename"] == "a boat.mp4"


def test_upload_that_is_whole_is_completed_without_its_source(bench: Bench, origin: Origin) -> None:
    bench.insert(origin.url("nowhere.mp4"))
    bench.leave_upload((1, 2, 3))
    media = bench.run()
    bench.assert_whole(media)
    assert media["attempts"][0]["resumed_bytes"] == LARGE_BYTES
    assert origin.requests == {}


def test_part_of_a_wrong_size_is_fetched_again(bench: Bench, origin: Origin) -> None:
    bench.insert(origin.url(LARGE))
    bench.leave_upload((1, 2), cut=1)
    media = bench.run()
    bench.assert_whole(media)
    assert media["attempts"][0]["resumed_bytes"] == PART_BYTES


def test_changed_source_starts_a_new_upload(bench: Bench, origin: Origin) -> None:
    bench.insert(origin.url(LARGE))
    bench.leave_upload((1, 2), validator='"another version"')
    media = bench.run()
    bench.assert_whole(media)
    assert media["attempts"][0]["resumed_bytes"] == 0


def test_site_that_forgot_ranges_starts_a_new_upload(bench: Bench, origin: Origin) -> None:
    bench.insert(origin.url(LARGE, noranges=1))
    bench.leave_upload((1, 2))
    media = bench.run()
    bench.assert_whole(media)
    assert media["attempts"][0]["resumed_bytes"] == 0


def test_upload_that_vanished_is_begun_anew(bench: Bench, origin: Origin) -> None:
    bench.insert(origin.url(LARGE))
    bench.intake.bucket.abort_upload(bench.place.key(1), bench.leave_upload((1, 2)))
    media = bench.run()
    bench.assert_whole(media)
    assert media["attempts"][0]["resumed_bytes"] == 0


def test_object_that_was_completed_and_not_written_down_is_adopted(bench: Bench, origin: Origin) -> None:
    bench.insert(origin.url(LARGE))
    upload_id = bench.leave_upload((1, 2, 3))
    place: Any = {"Bucket": bench.intake.bucket.name, "Key": bench.place.key(1), "UploadId": upload_id}
    parts: Any = [
        {"PartNumber": part.number, "ETag": part.etag}
        for part in bench.intake.bucket.parts(bench.place.key(1), upload_id)
    ]
    bench.intake.bucket.client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    media = bench.run()
    bench.assert_whole(media)
    assert media["original"]["filename"] == "a boat.mp4"
    assert origin.requests == {}


@pytest.mark.parametrize("faults", [{}, {"noranges": 1}])
def test_worker_that_hands_over_leaves_its_parts_to_the_next(
    bench: Bench, origin: Origin, monkeypatch: pytest.MonkeyPatch, faults: dict[str, int]
) -> None:
    bench.insert(origin.url(LARGE, rate=SLOW // 3, **faults))
    media = interrupt(bench, monkeypatch, lambda: PART_BYTES in parts_of(bench).values())
    assert (media["status"], media["attempt"]) == (Status.QUEUED, 0)
    saved = sum(parts_of(bench).values())
    with Origin(bench.folder) as another:  # which knows ranges, as the same site may the next time
        link = {"$set": {"media.source_url": another.url(LARGE)}}
        bench.intake.database["scenes"].update_one({"_id": bench.place.scene_id}, link)
        media = bench.run()
        bench.assert_whole(media)
        assert media["attempts"][0]["resumed_bytes"] == saved >= PART_BYTES
        assert another.bytes_sent[LARGE] == LARGE_BYTES - saved


def test_attempt_that_fails_for_now_keeps_its_upload_and_no_sweep_takes_it(
    bench: Bench, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.insert(origin.url(LARGE, rate=SLOW // 3))
    attempt = Thread(target=bench.run)
    attempt.start()
    wait_for(lambda: PART_BYTES in parts_of(bench).values(), 30, "a part is stored")
    origin.close()
    attempt.join(30)
    media = bench.media
    assert (media["status"], media["error"]["code"]) == (Status.RETRYING, "fetch.connection")
    monkeypatch.setattr(sweep, "_UPLOAD_AGE", timedelta(seconds=-60))
    database, bucket = bench.intake.database, bench.intake.bucket
    assert sweep_scene(database, bucket, bench.place.project_id, bench.place.scene_id) == 0
    assert bench.uploads() == [media["upload"]["upload_id"]]
    with Origin(bench.folder, port=origin.port) as again:
        media = bench.run()
        bench.assert_whole(media)
        resumed = media["attempts"][-1]["resumed_bytes"]
        assert again.bytes_sent[LARGE] == LARGE_BYTES - resumed <= LARGE_BYTES - PART_BYTES


def test_attempt_that_fails_for_good_leaves_nothing(bench: Bench, origin: Origin) -> None:
    bench.insert(origin.url("nowhere.mp4"))
    bench.leave_upload((1,))
    media = bench.run()
    assert (media["status"], media["error"]["code"]) == (Status.FAILED, "link.not_found")
    assert bench.uploads() == []
    assert list(bench.intake.bucket.keys(bench.place.prefix)) == []


def test_source_that_changes_while_it_is_fetched_is_fetched_anew_in_one_piece(
    bench: Bench, origin: Origin, tmp_path: Path
) -> None:
    """Bytes of both versions are never in one object."""
    name = "changing.mp4"
    first, second = tmp_path / "first", tmp_path / "second"
    body = (bench.folder / LARGE).read_bytes()
    first.write_bytes(body)
    second.write_bytes(body[: 2 * PART_BYTES] + body[2 * PART_BYTES :][::-1])
    first.replace(bench.folder / name)
    bench.insert(origin.url(name, rate=SLOW // 3))
    attempt = Thread(target=bench.run)
    attempt.start()
    wait_for(lambda: origin.bytes_sent.get(name, 0) > 1 << 20, 30, "it is being fetched")
    second.replace(bench.folder / name)
    attempt.join(30)
    media = bench.media
    assert (media["status"], media["error"]["code"]) == (Status.RETRYING, "fetch.source_changed")
    assert (bench.uploads(), media["upload"]) == ([], None)
    requests = origin.requests[name]
    bench.assert_whole(bench.run(), name)
    assert origin.requests[name] == requests + 1


def test_bucket_that_refuses_parts_for_a_while_costs_no_attempt(
    bench: Bench, origin: Origin, settings: Settings, monkeypatch: pytest.MonkeyPatch
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
    bench.insert(origin.url(LARGE))
    other = replace(bench.intake, bucket=Bucket(client, bench.intake.bucket.name))
    media = replace(bench, intake=other).run()
    bench.assert_whole(media)
    assert (len(refused), [attempt["outcome"] for attempt in media["attempts"]]) == (7, ["ready"])


def test_source_that_sends_too_slowly_is_stalled(bench: Bench, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.fetch.exchange.Limits.rate_seconds", 0.5, raising=False)
    settings = bench.intake.settings.model_copy(update={"takeup_min_bytes_per_second": 1_000_000})
    bench.insert(origin.url("clip.mp4", rate=50_000))
    media = replace(bench, intake=replace(bench.intake, settings=settings)).run()
    assert media["error"]["code"] == "fetch.stalled"
    assert "bytes came in" in media["error"]["message"]


def test_claim_shows_the_upload_that_it_goes_on_with(bench: Bench, origin: Origin) -> None:
    """The lease's token is another, the upload the same: a stale worker can only put the same bytes into it."""
    bench.insert(origin.url(LARGE))
    upload_id = bench.leave_upload((1,))
    claim = crud_lease.claim(bench.intake.database, bench.place.scene_id, 1, "w", 30)
    assert claim is not None
    assert claim.upload is not None
    assert claim.upload["upload_id"] == upload_id
    assert claim.started_at <= server_now_sync(bench.intake.database)

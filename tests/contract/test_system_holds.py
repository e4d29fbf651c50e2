"""Holds of what everybody needs: a bucket that refuses and a full disk make the queue wait, and cost no attempt."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from app.core.config import Settings
from app.core.database import Async, Sync, server_now_sync
from app.core.media_errors import (
    EgressProxyError,
    MediaError,
    NoBucketError,
    ServerFaultError,
    StorageDeniedError,
    StorageUnavailableError,
)
from app.crud import crud_hold
from app.models.media import Status
from app.services.storage.bucket import Bucket
from tests.connect_proxy import ConnectProxy
from tests.contract.held_worker import SITE, Worker


@pytest.fixture
def worker(database: Sync, shared_bucket: Bucket, settings: Settings, tmp_path: Path) -> Worker:
    return Worker(database, shared_bucket, settings.model_copy(update={"takeup_scratch_dir": tmp_path}))


@pytest.mark.parametrize("error", [StorageDeniedError(), NoBucketError()])
def test_bucket_that_refuses_us_is_held_at_once_and_costs_no_attempt(worker: Worker, error: MediaError) -> None:
    met, other = worker.scene(), worker.scene("https://other.example/")
    worker.fail(met, error)
    media = worker.media(met)
    assert (media["status"], media["attempt"], media["attempts"]) == (Status.QUEUED, 0, [])
    assert worker.seconds_left(crud_hold.BUCKET) > 1
    assert worker.take(other) is None
    media = worker.media(other)
    assert (media["status"], media["attempt"], media["error"]) == (Status.QUEUED, 0, None)


def test_bucket_that_does_not_answer_is_held_after_three_failures_in_a_row(worker: Worker) -> None:
    scenes = [worker.scene(f"https://site{n}.example/") for n in range(3)]
    for scene in scenes:
        assert worker.seconds_left(crud_hold.BUCKET) == 0
        worker.fail(scene, StorageUnavailableError())
    assert worker.seconds_left(crud_hold.BUCKET) > 1
    assert [worker.media(scene)["status"] for scene in scenes] == [Status.RETRYING, Status.RETRYING, Status.QUEUED]
    assert [worker.media(scene)["attempt"] for scene in scenes] == [1, 1, 0]


def test_success_breaks_the_buckets_row_of_failures(worker: Worker) -> None:
    for _ in range(3):
        worker.fail(worker.scene(), StorageUnavailableError())
        worker.admission.succeeded(SITE)
    assert worker.hold(crud_hold.BUCKET) is None


def wrong_secret(settings: Settings) -> Settings:
    return settings.model_copy(update={"s3_secret_access_key": SecretStr("not-the-one")})


def no_bucket(settings: Settings) -> Settings:
    return settings.model_copy(update={"s3_bucket": f"nowhere-{uuid4().hex[:8]}"})


@pytest.mark.parametrize(("spoil", "code"), [(wrong_secret, "storage.denied"), (no_bucket, "storage.no_bucket")])
def test_held_bucket_is_tried_by_a_write_and_serves_again_by_itself(
    worker: Worker, spoil: Callable[[Settings], Settings], code: str
) -> None:
    scene = worker.scene()
    worker.fail(worker.scene(), StorageDeniedError())
    spoiled = worker.with_bucket(spoil)
    for _ in range(2):
        worker.let_time_pass(crud_hold.BUCKET)
        assert spoiled.take(scene) is None
        hold = worker.hold(crud_hold.BUCKET)
        assert hold is not None
        assert hold.error is not None
        assert hold.error["code"] == code
        assert worker.take(scene) is None
    worker.let_time_pass(crud_hold.BUCKET)
    claim = worker.take(scene)
    assert claim is not None
    assert claim.attempt == 1
    assert worker.hold(crud_hold.BUCKET) is None
    assert worker.bucket.head("takeup-trial") is None


@pytest.mark.anyio
async def test_without_space_on_the_disk_nothing_begins_until_there_is_some(
    worker: Worker, async_database: Async
) -> None:
    full = replace(worker, settings=worker.settings.model_copy(update={"takeup_min_free_bytes": 1 << 60}))
    scene = worker.scene()
    assert full.take(scene) is None
    media = worker.media(scene)
    assert (media["status"], media["attempt"], media["error"]["code"]) == (Status.QUEUED, 0, "worker.disk_full")
    [hold] = await crud_hold.list_system_holds(async_database)
    assert hold.subject == "disk:machine"
    assert hold.error is not None
    assert hold.error["code"] == "worker.disk_full"
    assert hold.until is not None
    assert hold.until > server_now_sync(worker.database)
    assert worker.take(scene) is not None
    assert worker.media(scene)["error"] is None
    assert await crud_hold.list_system_holds(async_database) == []


@pytest.mark.anyio
async def test_subject_that_failed_a_few_times_is_no_hold(worker: Worker, async_database: Async) -> None:
    worker.fail(worker.scene(), ServerFaultError())
    assert await crud_hold.list_system_holds(async_database) == []
    now = server_now_sync(worker.database)
    assert crud_hold.forget_old(worker.database, now.replace(year=now.year - 1)) == 0
    assert crud_hold.forget_old(worker.database, now.replace(year=now.year + 1)) == 1


@pytest.mark.anyio
async def test_proxy_that_is_away_holds_the_queue_until_it_answers(worker: Worker, async_database: Async) -> None:
    met, other = worker.scene(), worker.scene("https://other.example/")
    with ConnectProxy({}) as proxy:
        behind = replace(
            worker, settings=worker.settings.model_copy(update={"takeup_egress_proxy": SecretStr(proxy.url)})
        )
    behind.fail(met, EgressProxyError())
    media = worker.media(met)
    assert (media["status"], media["attempt"], media["attempts"]) == (Status.QUEUED, 0, [])
    [hold] = await crud_hold.list_system_holds(async_database)
    assert hold.subject == crud_hold.PROXY
    assert behind.take(other) is None
    behind.let_time_pass(crud_hold.PROXY)
    assert behind.take(other) is None
    assert behind.seconds_left(crud_hold.PROXY) > 1
    with ConnectProxy({}) as proxy:
        again = replace(
            worker, settings=worker.settings.model_copy(update={"takeup_egress_proxy": SecretStr(proxy.url)})
        )
        again.let_time_pass(crud_hold.PROXY)
        assert again.take(other) is not None
    assert worker.hold(crud_hold.PROXY) is None

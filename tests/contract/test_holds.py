"""Holds of sites: what fails again and again is left alone for a while, and that costs no scene an attempt."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.core.config import Settings
from app.core.database import Sync, server_now_sync
from app.core.media_errors import (
    ConnectionFailedError,
    LinkNotFoundError,
    RateLimitedError,
    ServerFaultError,
)
from app.models.media import Status, milliseconds
from app.services.admission import site_of
from app.services.intake import Intake
from app.services.storage.bucket import Bucket
from tests.contract.conftest import insert_scene
from tests.contract.held_worker import FAILURES, SITE, Worker


@pytest.fixture
def worker(database: Sync, shared_bucket: Bucket, settings: Settings, tmp_path: Path) -> Worker:
    own = {"takeup_host_failures": FAILURES, "takeup_scratch_dir": tmp_path}
    return Worker(database, shared_bucket, settings.model_copy(update=own))


def held_site(worker: Worker) -> str:
    subject = site_of(SITE)
    for _ in range(FAILURES):
        worker.fail(worker.scene(), ServerFaultError())
    return subject


def test_site_is_held_after_so_many_failures_in_a_row(worker: Worker) -> None:
    for n in range(FAILURES):
        assert worker.seconds_left(site_of(SITE)) == 0, n
        worker.fail(worker.scene(), ServerFaultError() if n % 2 else ConnectionFailedError())
    assert worker.seconds_left(site_of(SITE)) > 1


def test_failure_that_is_not_the_sites_breaks_the_row(worker: Worker) -> None:
    for error in (ServerFaultError(), ServerFaultError(), LinkNotFoundError(), ServerFaultError(), ServerFaultError()):
        worker.fail(worker.scene(), error)
    assert worker.seconds_left(site_of(SITE)) == 0
    worker.admission.succeeded(SITE)
    worker.fail(worker.scene(), ServerFaultError())
    assert worker.seconds_left(site_of(SITE)) == 0


@pytest.mark.parametrize(("asked", "seconds"), [(120, 120), (None, 60)])
def test_site_that_asks_for_time_is_given_it_at_once(worker: Worker, asked: float | None, seconds: float) -> None:
    worker.fail(worker.scene(), RateLimitedError(retry_after_seconds=asked))
    assert seconds - 5 < worker.seconds_left(site_of(SITE)) <= seconds


def test_scene_of_a_held_site_waits_until_then_shows_why_and_loses_no_attempt(worker: Worker) -> None:
    subject = held_site(worker)
    scene = worker.scene()
    assert worker.take(scene) is None
    media = worker.media(scene)
    assert (media["status"], media["attempt"], media["attempts"]) == (Status.RETRYING, 0, [])
    assert media["error"]["code"] == "fetch.server_error"
    hold = worker.hold(subject)
    assert hold is not None
    assert hold.until_ms is not None
    assert media["due_ms"] >= hold.until_ms


def test_other_sites_are_served_meanwhile(worker: Worker) -> None:
    held_site(worker)
    for link in ("https://other.example/clip.mp4", "https://slow.example:8443/clip.mp4"):
        assert worker.take(worker.scene(link)) is not None
    for link in ("https://SLOW.example/other.mp4", "https://user@slow.example/"):
        assert worker.take(worker.scene(link)) is None


def test_one_scene_tries_a_site_whose_hold_has_run_out(worker: Worker) -> None:
    subject = held_site(worker)
    scenes = [worker.scene() for _ in range(3)]
    assert [worker.take(scene) for scene in scenes] == [None] * 3
    worker.let_time_pass(subject)
    assert [bool(worker.take(scene)) for scene in scenes] == [True, False, False]
    assert [worker.media(scene)["attempt"] for scene in scenes] == [1, 0, 0]


STALE = [
    (Status.READY, {}),
    (Status.CANCELED, {}),
    (Status.DOWNLOADING, {}),
    (Status.QUEUED, {"generation": 2}),
    (Status.RETRYING, {"due_ms": 1 << 50}),
]


@pytest.mark.parametrize(("status", "media"), STALE)
def test_message_for_a_scene_that_nobody_may_claim_takes_no_trial(
    worker: Worker, status: Status, media: dict[str, Any]
) -> None:
    subject = held_site(worker)
    worker.let_time_pass(subject)
    stale = insert_scene(worker.database, status, source_url=SITE, deleted=False, **media)
    intake = Intake(worker.database, worker.bucket, worker.settings, "machine/1")
    intake.run(stale["_id"], 1)
    assert worker.take(worker.scene()) is not None


def test_message_that_is_early_leaves_the_time_of_a_retry_alone(worker: Worker) -> None:
    held_site(worker)
    due_ms = milliseconds(server_now_sync(worker.database), 3600)
    waiting = insert_scene(worker.database, Status.RETRYING, source_url=SITE, due_ms=due_ms)["_id"]
    assert worker.take(waiting) is None
    assert worker.media(waiting)["due_ms"] == due_ms


def test_success_lifts_a_sites_hold(worker: Worker) -> None:
    subject = held_site(worker)
    worker.let_time_pass(subject)
    assert worker.take(worker.scene()) is not None
    worker.admission.succeeded(SITE)
    assert worker.hold(subject) is None
    assert worker.take(worker.scene()) is not None


def test_failure_of_the_trial_holds_the_site_longer(worker: Worker) -> None:
    subject = held_site(worker)
    lengths = [worker.seconds_left(subject)]
    for _ in range(3):
        worker.let_time_pass(subject)
        worker.fail(worker.scene(), ServerFaultError())
        lengths.append(worker.seconds_left(subject))
    assert all(2 * shorter < longer for shorter, longer in pairwise(lengths)), lengths

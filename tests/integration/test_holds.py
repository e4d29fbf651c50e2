"""What fails for everybody makes the queue wait, not the scenes fail; it goes on by itself when the fault is gone."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.demo.origin import Origin
from tests.servers import wait_for
from tests.stack import RunningStack, running_stack


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[RunningStack]:
    """One whose servers a test may spoil."""
    with running_stack(
        tmp_path / "data", TAKEUP_RETRY_BASE_SECONDS="2", TAKEUP_RETRY_MAX_SECONDS="4", TAKEUP_HOST_FAILURES="3"
    ) as running:
        yield running


def test_without_its_bucket_the_queue_waits_and_goes_on_by_itself(own_stack: RunningStack, origin: Origin) -> None:
    client, name = own_stack.bucket.client, own_stack.bucket.name
    client.delete_bucket(Bucket=name)
    scenes = [own_stack.store(origin.url("photo.jpg", copy=n)) for n in range(8)]
    [hold] = wait_for(lambda: own_stack.http.get("/monitor").json()["holds"], 30, "a hold is told")
    assert (hold["subject"], hold["code"]) == ("bucket", "storage.no_bucket")
    assert hold["hint"]
    assert {own_stack.media(scene)["status"] for scene in scenes} <= {"queued", "resolving", "downloading", "uploading"}
    client.create_bucket(Bucket=name)
    for scene in scenes:
        media = own_stack.wait_ended(scene, seconds=60)
        assert (media["status"], media["attempt"]) == ("ready", 1), media
    wait_for(lambda: not own_stack.http.get("/monitor").json()["holds"], 10, "the hold is lifted")


def test_while_the_database_is_read_only_nothing_fails_and_then_all_goes_on(
    own_stack: RunningStack, origin: Origin
) -> None:
    file = own_stack.data_dir / "mongodb" / f"{own_stack.database.name}.db"
    assert file.exists()
    scenes = [own_stack.store(origin.url("photo.jpg", copy=n, rate=20_000)) for n in range(4)]
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")  # every writer but this one is refused
        answer = own_stack.http.post("/projects", json={"title": "Refused"})
        assert (answer.status_code, answer.json()["code"]) == (503, "system.unavailable")
        other.execute("ROLLBACK")
    for scene in scenes:
        assert own_stack.wait_ended(scene, seconds=60)["status"] == "ready"


def test_a_site_that_fails_again_and_again_is_left_alone_and_its_links_wait(
    own_stack: RunningStack, origin: Origin
) -> None:
    for n in range(3):
        own_stack.store(origin.url("status/503", copy=n))
    wait_for(lambda: own_stack.database["holds"].find_one({"hold.until_ms": {"$gt": 0}}), 20, "the site is held")
    well = own_stack.store(origin.url("photo.jpg"))
    held = own_stack.wait(well, "retrying")
    assert (held["attempt"], held["error"]["code"]) == (0, "fetch.server_error")
    assert held["next_attempt_at"] > held["status_at"]
    stored = own_stack.wait_ended(well)
    assert (stored["status"], stored["attempt"]) == ("ready", 1)

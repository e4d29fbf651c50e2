"""What the reconciler finds: who waits too long, whose worker died, and what was left to sweep."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from app.core.config import Settings
from app.core.database import Document, Sync, server_now_sync
from app.crud import crud_backlog, crud_hold
from app.models.media import ACTIVE, Status, milliseconds
from app.services.reconcile import reconcile
from tests.contract.conftest import insert_scene, lease, read_scene

HOUR = timedelta(hours=1)
WAIT = {Status.PENDING, Status.QUEUED, Status.RETRYING}


def ids(scenes: Iterable[Document]) -> list[str]:
    return [scene["_id"] for scene in scenes]


@pytest.mark.parametrize("status", sorted(WAIT))
def test_waiting_too_long_are_those_that_are_due_in_the_order_of_it(database: Sync, status: Status) -> None:
    now = server_now_sync(database)
    made = {
        seconds: insert_scene(database, status, due_ms=milliseconds(now, -seconds))["_id"] for seconds in (-60, 1, 50)
    }
    insert_scene(database, status, deleted=True)
    insert_scene(database, None)
    assert ids(crud_backlog.waiting_too_long(database, now, 10)) == [made[50], made[1]]
    assert ids(crud_backlog.waiting_too_long(database, now, 1)) == [made[50]]
    assert ids(crud_backlog.waiting_too_long(database, now, 0)) == []


def test_nobody_waits_in_another_state(database: Sync) -> None:
    for status in set(Status) - WAIT:
        insert_scene(database, status)
    assert ids(crud_backlog.waiting_too_long(database, server_now_sync(database) + HOUR, 10)) == []


def test_forgotten_scene_is_queued_once_under_the_next_generation(database: Sync) -> None:
    now = server_now_sync(database)
    due_ms = milliseconds(now, 20)
    scene = insert_scene(database, Status.PENDING, generation=3, requested_at=None)
    assert crud_backlog.queue_forgotten(database, scene, due_ms) == 4
    assert crud_backlog.queue_forgotten(database, scene, due_ms) is None
    media = read_scene(database, scene["_id"])["media"]
    assert (media["status"], media["generation"], media["due_ms"]) == (Status.QUEUED, 4, due_ms)
    assert abs(media["requested_at"] - now) < timedelta(seconds=2)


def test_expired_leases_are_the_active_ones_that_nobody_renewed(database: Sync) -> None:
    now = server_now_sync(database)
    expired = {insert_scene(database, status)["_id"] for status in ACTIVE}
    for status in ACTIVE:
        insert_scene(database, status, lease=lease(now, 30))
        insert_scene(database, status, deleted=True)
    for status in set(Status) - ACTIVE:
        insert_scene(database, status)
    found = ids(crud_backlog.expired_leases(database, now, 20))
    assert (set(found), len(found)) == (expired, len(ACTIVE))


@pytest.mark.parametrize("status", sorted(ACTIVE))
@pytest.mark.parametrize(("attempt", "target"), [(4, Status.QUEUED), (5, Status.FAILED)])
def test_crashed_attempt_is_queued_again_until_the_cap(
    database: Sync, status: Status, attempt: int, target: Status
) -> None:
    insert_scene(database, status, attempt=attempt)
    now = server_now_sync(database)
    due_ms = milliseconds(now, 20)
    [scene] = crud_backlog.expired_leases(database, now, 10)
    assert crud_backlog.end_crashed_attempt(database, scene, now, due_ms) is target
    after = read_scene(database, scene["_id"])
    media = after["media"]
    assert (media["status"], media["lease"], media["progress"]) == (target, None, None)
    assert media["due_ms"] == (due_ms if target is Status.QUEUED else None)
    assert (media["error"] or {}).get("code") == ("worker.crashed" if target is Status.FAILED else None)
    assert media["attempts"][-1].items() >= {"n": attempt, "outcome": "crashed", "code": "worker.crashed"}.items()
    assert after["sweep"]["at_ms"] > milliseconds(now, 60)
    assert crud_backlog.end_crashed_attempt(database, scene, now, due_ms) is None


def test_lease_renewed_meanwhile_is_not_taken(database: Sync) -> None:
    insert_scene(database, Status.DOWNLOADING)
    now = server_now_sync(database)
    [scene] = crud_backlog.expired_leases(database, now, 10)
    renewed = {**scene["media"]["lease"], "expires_ms": milliseconds(now, 60)}
    database["scenes"].update_one({"_id": scene["_id"]}, {"$set": {"media.lease": renewed}})
    before = read_scene(database, scene["_id"])
    assert crud_backlog.end_crashed_attempt(database, scene, now, 0) is None
    assert read_scene(database, scene["_id"]) == before


def test_due_sweeps_are_cleared_unless_asked_for_anew(database: Sync) -> None:
    now = server_now_sync(database)
    scene, _ = insert_scene(database, Status.READY), insert_scene(database, Status.READY)
    crud_backlog.note_sweep(database, scene["_id"], now)
    assert ids(crud_backlog.due_sweeps(database, now + timedelta(seconds=60), 10)) == []
    [due] = crud_backlog.due_sweeps(database, now + HOUR, 10)
    assert due["_id"] == scene["_id"]
    crud_backlog.note_sweep(database, scene["_id"], now + timedelta(seconds=5))
    crud_backlog.clear_sweep(database, due)
    [due] = crud_backlog.due_sweeps(database, now + HOUR, 10)
    crud_backlog.clear_sweep(database, due)
    assert ids(crud_backlog.due_sweeps(database, now + HOUR, 10)) == []


def test_round_rings_for_everyone_who_waits_and_queues_what_was_forgotten(database: Sync, settings: Settings) -> None:
    waiting = [insert_scene(database, status) for status in (Status.QUEUED, Status.RETRYING)]
    forgotten, crashed = insert_scene(database, Status.PENDING), insert_scene(database, Status.UPLOADING)
    for status in (Status.READY, Status.FAILED, Status.CANCELED):
        insert_scene(database, status)
    rung: list[tuple[str, int]] = []
    first: list[tuple[str, int]] = []
    reconcile(
        database,
        settings,
        ring=lambda *message: rung.append(message),
        ring_first=lambda *message: first.append(message),
        waiting_messages=0,
    )
    assert sorted(rung) == sorted([*((scene["_id"], 1) for scene in waiting), (forgotten["_id"], 2)])
    assert first == [(crashed["_id"], 1)]


def test_round_rings_for_nobody_while_the_broker_is_full_or_the_bucket_is_held(
    database: Sync, settings: Settings
) -> None:
    insert_scene(database, Status.QUEUED)
    rung: list[tuple[str, int]] = []

    def ring(*message: Any) -> None:
        rung.append(message)

    reconcile(database, settings, ring=ring, ring_first=ring, waiting_messages=500)
    now = server_now_sync(database)
    hold = crud_hold.Hold(crud_hold.BUCKET)
    crud_hold.put_hold(database, hold, {"code": "storage.denied"}, now, milliseconds(now, 60))
    reconcile(database, settings, ring=ring, ring_first=ring, waiting_messages=0)
    assert rung == []

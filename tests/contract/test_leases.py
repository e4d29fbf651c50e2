"""Claims, leases and the backlog: who may write to a scene, and what the reconciler picks."""

from datetime import timedelta
from typing import Any

import pytest

from app.core.database import Async, Sync, server_now_sync
from app.core.media_errors import StalledError
from app.crud import crud_backlog, crud_lease, crud_scene
from app.crud.crud_lease import MAX_ATTEMPT_RECORDS, Claim, Ending
from app.models.media import ACTIVE, TRANSITIONS, Media, Status
from tests.contract.conftest import LINK, MAX_ATTEMPTS, insert_scene, lease, read_scene

WORKSPACE = "default"
HOUR = timedelta(hours=1)
STALLED = StalledError().failure()


def claimed(database: Sync, **media: Any) -> Claim:
    scene = insert_scene(database, Status.QUEUED, **media)
    claim = crud_lease.claim(database, scene["_id"], 1, "worker", 30)
    assert claim is not None
    return claim


def holds(database: Sync, claim: Claim) -> bool:
    """Whether any write under the claim's fence takes effect; the scene must be unchanged where none does."""
    before = read_scene(database, claim.scene_id)
    took = {
        crud_lease.still_held(database, claim),
        crud_lease.renew(database, claim, 30, {"bytes_done": 1}),
        crud_lease.note_upload(database, claim, {"upload_id": "u"}),
        crud_scene.update_scene_status_sync(database, claim.fence, Status.DOWNLOADING),
        crud_lease.end_attempt(database, claim, Status.FAILED, Ending("failed", STALLED)),
    }
    assert len(took) == 1, took
    if took == {False}:
        assert read_scene(database, claim.scene_id) == before
    return took.pop()


def test_claim_takes_a_queued_scene(database: Sync) -> None:
    scene = insert_scene(database, Status.QUEUED, error={"code": "internal"}, attempt=2)
    claim = crud_lease.claim(database, scene["_id"], 1, "worker", 30)
    assert claim is not None
    assert (claim.attempt, claim.max_attempts, claim.source_url, claim.worker) == (3, MAX_ATTEMPTS, LINK, "worker")
    after = read_scene(database, scene["_id"])
    media = after["media"]
    assert (media["status"], media["error"], media["next_attempt"]) == (Status.RESOLVING, None, None)
    assert media["lease"]["expires_at"] - media["lease"]["started_at"] == timedelta(seconds=30)
    assert claim.started_at == media["lease"]["started_at"]
    assert after["version"] == scene["version"] + 1
    assert Media.from_document(media).attempt == 3


@pytest.mark.parametrize("status", [status for status in Status if status not in {Status.QUEUED, Status.RETRYING}])
def test_claim_takes_no_scene_that_does_not_wait(database: Sync, status: Status) -> None:
    scene = insert_scene(database, status)
    assert crud_lease.claim(database, scene["_id"], 1, "worker", 30) is None
    assert read_scene(database, scene["_id"]) == scene


def test_claim_takes_a_retry_only_when_it_is_due(database: Sync) -> None:
    now = server_now_sync(database)
    due = insert_scene(database, Status.RETRYING, next_attempt={"at": now})
    early = insert_scene(database, Status.RETRYING, next_attempt={"at": now + HOUR})
    assert crud_lease.claim(database, due["_id"], 1, "worker", 30) is not None
    assert crud_lease.claim(database, early["_id"], 1, "worker", 30) is None


@pytest.mark.parametrize("generation", [1, 3])
def test_claim_takes_the_asked_generation_alone(database: Sync, generation: int) -> None:
    scene = insert_scene(database, Status.QUEUED, generation=2)
    assert crud_lease.claim(database, scene["_id"], generation, "worker", 30) is None
    assert crud_lease.claim(database, scene["_id"], 2, "worker", 30) is not None


def test_claim_takes_no_deleted_and_no_unknown_scene(database: Sync) -> None:
    deleted = insert_scene(database, Status.QUEUED, deleted=True)["_id"]
    assert [crud_lease.claim(database, one, 1, "worker", 30) for one in (deleted, "nowhere")] == [None, None]


def test_holder_of_the_lease_may_write(database: Sync) -> None:
    assert holds(database, claimed(database))


@pytest.mark.parametrize(
    "change",
    [
        {"media.lease": {"token": "another"}},
        {"media.lease": None},
        {"media.generation": 2},
        {"media": None},
        {"deletion": {"at": "now"}},
    ],
)
def test_fence_refuses_who_lost_the_lease(database: Sync, change: dict[str, Any]) -> None:
    claim = claimed(database)
    database["scenes"].update_one({"_id": claim.scene_id}, {"$set": change})
    assert not holds(database, claim)


@pytest.mark.anyio
async def test_fence_refuses_after_a_cancel(async_database: Async, database: Sync) -> None:
    claim = claimed(database)
    await crud_scene.cancel(async_database, WORKSPACE, claim.scene_id)
    assert not holds(database, claim)


@pytest.mark.anyio
async def test_fence_refuses_after_a_new_request_or_link(async_database: Async, database: Sync) -> None:
    forced, replaced = claimed(database), claimed(database)
    await crud_scene.request_storage(async_database, WORKSPACE, forced.scene_id, force=True, max_attempts=5)
    await crud_scene.set_link(async_database, WORKSPACE, replaced.scene_id, "https://example.com/b", 5)
    assert not holds(database, forced)
    assert not holds(database, replaced)


@pytest.mark.anyio
async def test_fence_refuses_after_a_deletion(async_database: Async, database: Sync) -> None:
    claim = claimed(database)
    assert await crud_scene.mark_deleted(async_database, WORKSPACE, claim.scene_id)
    assert not holds(database, claim)
    crud_lease.let_go(database, claim)
    assert read_scene(database, claim.scene_id)["media"]["lease"] is None


def test_letting_go_leaves_the_lease_of_another_alone(database: Sync) -> None:
    claim = claimed(database)
    other = lease(server_now_sync(database), 30, token="another")
    database["scenes"].update_one({"_id": claim.scene_id}, {"$set": {"media.lease": other}})
    before = read_scene(database, claim.scene_id)
    crud_lease.let_go(database, claim)
    assert read_scene(database, claim.scene_id) == before


def test_renewal_moves_the_end_and_keeps_the_start(database: Sync) -> None:
    claim = claimed(database)
    before = read_scene(database, claim.scene_id)
    assert crud_lease.renew(database, claim, 300, {"bytes_done": 7, "stalled": False})
    after = read_scene(database, claim.scene_id)
    old, new = before["media"]["lease"], after["media"]["lease"]
    assert new["expires_at"] > old["expires_at"] + timedelta(seconds=200)
    assert (new["started_at"], new["token"]) == (old["started_at"], old["token"])
    assert after["media"]["progress"] == {"bytes_done": 7, "stalled": False}
    assert after["version"] == before["version"] + 1


def test_renewal_of_an_ended_attempt_fails(database: Sync) -> None:
    claim = claimed(database)
    assert crud_lease.end_attempt(database, claim, Status.FAILED, Ending("failed", STALLED))
    assert not holds(database, claim)


def test_end_of_an_attempt_is_one_write(database: Sync) -> None:
    claim = claimed(database)
    before = read_scene(database, claim.scene_id)
    at = server_now_sync(database) + HOUR
    ending = Ending("retrying", STALLED, bytes_done=100, resumed_bytes=40)
    assert crud_lease.end_attempt(database, claim, Status.RETRYING, ending, {"next_attempt": {"at": at}})
    after = read_scene(database, claim.scene_id)
    media = after["media"]
    assert after["version"] == before["version"] + 1
    assert (media["status"], media["lease"], media["progress"]) == (Status.RETRYING, None, None)
    assert media["error"] == STALLED
    assert abs(media["next_attempt"]["at"] - at) < timedelta(milliseconds=1)
    [record] = media["attempts"]
    expected = {"n": 1, "worker": "worker", "outcome": "retrying", "code": "fetch.stalled", "bytes": 100}
    assert record.items() >= {**expected, "resumed_bytes": 40}.items()
    assert record["started_at"] == claim.started_at <= record["ended_at"]
    assert Media.from_document(media).attempts[0].code == "fetch.stalled"


def test_last_twenty_attempts_are_kept(database: Sync) -> None:
    former = [{"n": n} for n in range(MAX_ATTEMPT_RECORDS + 3)]
    claim = claimed(database, attempts=former, attempt=len(former))
    assert crud_lease.end_attempt(database, claim, Status.FAILED, Ending("failed", STALLED))
    numbers = [record["n"] for record in read_scene(database, claim.scene_id)["media"]["attempts"]]
    assert numbers == [*range(4, len(former)), len(former) + 1]
    assert len(numbers) == MAX_ATTEMPT_RECORDS


@pytest.mark.parametrize("source", list(Status))
@pytest.mark.parametrize("target", list(Status))
def test_only_allowed_transitions_are_written(shared_database: Sync, source: Status, target: Status) -> None:
    scene = insert_scene(shared_database, source)
    written = crud_scene.update_scene_status_sync(shared_database, {"_id": scene["_id"]}, target, {"error": None})
    assert written is (target in TRANSITIONS[source])
    after = read_scene(shared_database, scene["_id"])
    assert after["media"]["status"] == (target if written else source)
    assert after["version"] == scene["version"] + written


@pytest.mark.parametrize("status", sorted(ACTIVE))
@pytest.mark.parametrize(("attempt", "target"), [(4, Status.QUEUED), (5, Status.FAILED)])
def test_crashed_attempt_is_queued_again_until_the_cap(
    database: Sync, status: Status, attempt: int, target: Status
) -> None:
    insert_scene(database, status, attempt=attempt)
    now = server_now_sync(database)
    [scene] = crud_backlog.expired_leases(database, now, 10)
    assert crud_backlog.end_crashed_attempt(database, scene, now) is target
    after = read_scene(database, scene["_id"])
    media = after["media"]
    assert (media["status"], media["lease"], media["progress"]) == (target, None, None)
    assert (media["error"] or {}).get("code") == ("worker.crashed" if target is Status.FAILED else None)
    assert media["attempts"][-1].items() >= {"n": attempt, "outcome": "crashed", "code": "worker.crashed"}.items()
    assert after["sweep"]["at"] > now + timedelta(seconds=60)
    assert crud_backlog.end_crashed_attempt(database, scene, now) is None


def test_lease_renewed_meanwhile_is_not_taken(database: Sync) -> None:
    insert_scene(database, Status.DOWNLOADING)
    now = server_now_sync(database)
    [scene] = crud_backlog.expired_leases(database, now, 10)
    renewed = {**scene["media"]["lease"], "expires_at": now + HOUR}
    database["scenes"].update_one({"_id": scene["_id"]}, {"$set": {"media.lease": renewed}})
    before = read_scene(database, scene["_id"])
    assert crud_backlog.end_crashed_attempt(database, scene, now) is None
    assert read_scene(database, scene["_id"]) == before


def ids(scenes: Any) -> list[str]:
    return [scene["_id"] for scene in scenes]


def test_unclaimed_are_the_queued_beyond_the_grace_oldest_first(database: Sync) -> None:
    now = server_now_sync(database)
    ages = {"young": 5, "old": 30, "oldest": 90}
    made = {
        name: insert_scene(database, Status.QUEUED, status_at=now - timedelta(seconds=s)) for name, s in ages.items()
    }
    for status in set(Status) - {Status.QUEUED}:
        insert_scene(database, status, status_at=now - HOUR)
    insert_scene(database, Status.QUEUED, status_at=now - HOUR, deleted=True)
    insert_scene(database, None)
    expected = [made["oldest"]["_id"], made["old"]["_id"]]
    assert ids(crud_backlog.unclaimed(database, now, 20, 10)) == expected
    assert ids(crud_backlog.unclaimed(database, now, 20, 1)) == expected[:1]
    assert ids(crud_backlog.unclaimed(database, now, 20, 0)) == []


def test_due_retries_are_those_whose_time_has_come_oldest_first(database: Sync) -> None:
    now = server_now_sync(database)
    at = {seconds: {"at": now - timedelta(seconds=seconds)} for seconds in (-60, 1, 50)}
    made = {s: insert_scene(database, Status.RETRYING, next_attempt=due) for s, due in at.items()}
    for status in set(Status) - {Status.RETRYING}:
        insert_scene(database, status, next_attempt=at[50])
    insert_scene(database, Status.RETRYING, next_attempt=at[50], deleted=True)
    assert ids(crud_backlog.due_retries(database, now, 10)) == [made[50]["_id"], made[1]["_id"]]
    assert ids(crud_backlog.due_retries(database, now, 0)) == []


def test_forgotten_scene_is_queued_once_under_the_next_generation(database: Sync) -> None:
    now = server_now_sync(database)
    forgotten = insert_scene(database, Status.PENDING, status_at=now - timedelta(seconds=90), generation=3)
    insert_scene(database, Status.PENDING, status_at=now - timedelta(seconds=30))
    insert_scene(database, Status.QUEUED, status_at=now - HOUR)
    [scene] = crud_backlog.forgotten(database, now, 60, 10)
    assert scene == forgotten
    assert crud_backlog.queue_forgotten(database, scene)
    assert not crud_backlog.queue_forgotten(database, scene)
    media = read_scene(database, scene["_id"])["media"]
    assert (media["status"], media["generation"]) == (Status.QUEUED, 4)


def test_expired_leases_are_the_active_ones_that_nobody_renewed(database: Sync) -> None:
    now = server_now_sync(database)
    expired = {insert_scene(database, status)["_id"] for status in ACTIVE}
    for status in ACTIVE:
        insert_scene(database, status, lease=lease(now, 30))
        insert_scene(database, status, deleted=True)
    for status in set(Status) - ACTIVE:
        insert_scene(database, status, lease=lease(now, -30))
    found = ids(crud_backlog.expired_leases(database, now, 20))
    assert (set(found), len(found)) == (expired, len(ACTIVE))


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


def test_deletions_are_the_marked_scenes_and_only_they_can_be_removed(database: Sync) -> None:
    gone = [insert_scene(database, status, deleted=True)["_id"] for status in (Status.READY, Status.QUEUED, None)]
    kept = insert_scene(database, Status.READY)["_id"]
    assert sorted(ids(crud_backlog.deletions(database, 10))) == sorted(gone)
    for scene_id in (*gone, kept):
        crud_backlog.remove_scene(database, scene_id)
    assert ids(database["scenes"].find()) == [kept]

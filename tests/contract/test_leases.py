"""Claims and leases: who may write to a scene, and what ends an attempt."""

from datetime import timedelta
from typing import Any

import pytest

from app.core.config import Settings
from app.core.database import Async, Sync, server_now_sync
from app.core.media_errors import ServerFaultError, StalledError
from app.crud import crud_deletion, crud_edit, crud_lease, crud_media, crud_scene
from app.crud.crud_lease import MAX_ATTEMPT_RECORDS, Claim, Ending
from app.models.media import Media, Status, milliseconds
from tests.contract.conftest import LINK, MAX_ATTEMPTS, WORKSPACE, deletion_of, insert_scene, lease, read_scene

HOUR_MS = 3_600_000
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
    }
    took.add(crud_lease.end_attempt(database, claim, Status.FAILED, Ending("failed", STALLED)))
    if took == {False}:
        took.add(crud_lease.give_back(database, claim, 0))
        assert read_scene(database, claim.scene_id) == before
    assert len(took) == 1, took
    return took.pop()


def test_claim_takes_a_queued_scene(database: Sync) -> None:
    scene = insert_scene(database, Status.QUEUED, error={"code": "internal"}, attempt=2)
    claim = crud_lease.claim(database, scene["_id"], 1, "worker", 30)
    assert claim is not None
    assert (claim.attempt, claim.max_attempts, claim.source_url, claim.worker) == (3, MAX_ATTEMPTS, LINK, "worker")
    after = read_scene(database, scene["_id"])
    media = after["media"]
    assert (media["status"], media["error"], media["due_ms"]) == (Status.RESOLVING, None, None)
    assert abs(media["lease"]["expires_ms"] - milliseconds(media["lease"]["started_at"], 30)) <= 1
    assert claim.started_at == media["lease"]["started_at"]
    assert after["version"] == scene["version"] + 1
    assert Media.from_document(media).attempt == 3


@pytest.mark.parametrize("status", [status for status in Status if status not in {Status.QUEUED, Status.RETRYING}])
def test_claim_takes_no_scene_that_does_not_wait(database: Sync, status: Status) -> None:
    scene = insert_scene(database, status)
    assert crud_lease.claim(database, scene["_id"], 1, "worker", 30) is None
    assert read_scene(database, scene["_id"]) == scene


def test_claim_takes_a_retry_only_when_it_is_due(database: Sync) -> None:
    now_ms = milliseconds(server_now_sync(database))
    due = insert_scene(database, Status.RETRYING, due_ms=now_ms)
    early = insert_scene(database, Status.RETRYING, due_ms=now_ms + HOUR_MS)
    assert crud_lease.claim(database, due["_id"], 1, "worker", 30) is not None
    assert crud_lease.claim(database, early["_id"], 1, "worker", 30) is None


def test_claim_takes_a_queued_scene_before_the_reconciler_would_ring_for_it(database: Sync) -> None:
    scene = insert_scene(database, Status.QUEUED, due_ms=milliseconds(server_now_sync(database)) + HOUR_MS)
    assert crud_lease.claim(database, scene["_id"], 1, "worker", 30) is not None


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
        {"deletion": {"final": False}},
    ],
)
def test_fence_refuses_who_lost_the_lease(database: Sync, change: dict[str, Any]) -> None:
    claim = claimed(database)
    database["scenes"].update_one({"_id": claim.scene_id}, {"$set": change})
    assert not holds(database, claim)


@pytest.mark.anyio
async def test_fence_refuses_after_a_cancel(async_database: Async, database: Sync) -> None:
    claim = claimed(database)
    await crud_media.cancel(async_database, WORKSPACE, claim.scene_id)
    assert not holds(database, claim)


@pytest.mark.anyio
async def test_fence_refuses_after_a_new_request_or_link(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    forced, replaced = claimed(database), claimed(database)
    await crud_media.request_storage(async_database, settings, WORKSPACE, forced.scene_id, force=True)
    link = {"source_url": "https://example.com/b"}
    await crud_edit.edit_scene(async_database, settings, WORKSPACE, replaced.scene_id, link)
    assert not holds(database, forced)
    assert not holds(database, replaced)


@pytest.mark.anyio
async def test_fence_refuses_after_a_deletion_and_after_its_undoing(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    deleted, restored = claimed(database), claimed(database)
    for claim in (deleted, restored):
        await crud_deletion.mark_deleted(async_database, settings, WORKSPACE, claim.scene_id)
    await crud_deletion.take_back(async_database, settings, WORKSPACE, restored.scene_id)
    assert not holds(database, deleted)
    assert not holds(database, restored)
    crud_lease.let_go(database, deleted)
    assert read_scene(database, deleted.scene_id)["media"]["lease"] is None


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
    assert new["expires_ms"] > old["expires_ms"] + 200_000
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
    due_ms = milliseconds(server_now_sync(database)) + HOUR_MS
    ending = Ending("retrying", STALLED, bytes_done=100, resumed_bytes=40)
    assert crud_lease.end_attempt(database, claim, Status.RETRYING, ending, due_ms=due_ms)
    after = read_scene(database, claim.scene_id)
    media = after["media"]
    assert after["version"] == before["version"] + 1
    assert (media["status"], media["lease"], media["progress"]) == (Status.RETRYING, None, None)
    assert (media["error"], media["due_ms"]) == (STALLED, due_ms)
    [record] = media["attempts"]
    expected = {"n": 1, "worker": "worker", "outcome": "retrying", "code": "fetch.stalled", "bytes": 100}
    assert record.items() >= {**expected, "resumed_bytes": 40}.items()
    assert record["started_at"] == claim.started_at <= record["ended_at"]
    shown = Media.from_document(media)
    assert shown.attempts[0].code == "fetch.stalled"
    assert shown.next_attempt_at is not None
    assert milliseconds(shown.next_attempt_at) == due_ms


def test_last_twenty_attempts_are_kept(database: Sync) -> None:
    former = [{"n": n} for n in range(MAX_ATTEMPT_RECORDS + 3)]
    claim = claimed(database, attempts=former, attempt=len(former))
    assert crud_lease.end_attempt(database, claim, Status.FAILED, Ending("failed", STALLED))
    numbers = [record["n"] for record in read_scene(database, claim.scene_id)["media"]["attempts"]]
    assert numbers == [*range(4, len(former)), len(former) + 1]
    assert len(numbers) == MAX_ATTEMPT_RECORDS


def test_scene_that_is_given_back_has_lost_no_attempt_and_can_be_claimed_at_once(database: Sync) -> None:
    former = [{"n": 1, "outcome": "retrying"}]
    claim = claimed(database, attempt=1, attempts=former)
    due_ms = milliseconds(server_now_sync(database)) + HOUR_MS
    assert crud_lease.give_back(database, claim, due_ms)
    media = read_scene(database, claim.scene_id)["media"]
    assert (media["status"], media["lease"], media["progress"]) == (Status.QUEUED, None, None)
    assert (media["attempt"], media["attempts"], media["generation"]) == (1, former, 1)
    assert media["due_ms"] == due_ms
    assert not holds(database, claim)
    again = crud_lease.claim(database, claim.scene_id, 1, "another", 30)
    assert again is not None
    assert again.attempt == claim.attempt


def test_scene_can_be_given_back_more_often_than_it_may_be_tried(database: Sync) -> None:
    scene = insert_scene(database, Status.QUEUED)
    for _ in range(MAX_ATTEMPTS + 2):
        claim = crud_lease.claim(database, scene["_id"], 1, "worker", 30)
        assert claim is not None
        assert crud_lease.give_back(database, claim, 0)
    assert read_scene(database, scene["_id"])["media"]["attempt"] == 0


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RETRYING])
def test_scene_that_is_held_back_waits_with_the_reason_and_no_attempt_counted(database: Sync, status: Status) -> None:
    scene = insert_scene(database, status, attempt=1)
    due_ms = milliseconds(server_now_sync(database)) + HOUR_MS
    fault = ServerFaultError().failure()
    assert crud_lease.hold_back(database, scene, fault, due_ms)
    media = read_scene(database, scene["_id"])["media"]
    assert (media["status"], media["due_ms"], media["error"]) == (Status.RETRYING, due_ms, fault)
    assert (media["attempt"], media["attempts"]) == (1, [])
    assert crud_lease.claim(database, scene["_id"], 1, "worker", 30) is None


def test_scene_that_is_not_waiting_any_more_is_not_held_back(database: Sync) -> None:
    scene, fault = insert_scene(database, Status.QUEUED), ServerFaultError().failure()
    later = {**scene, "media": {**scene["media"], "generation": 2}}
    assert not crud_lease.hold_back(database, later, fault, 0)
    claim = crud_lease.claim(database, scene["_id"], 1, "worker", 30)
    assert claim is not None
    assert not crud_lease.hold_back(database, scene, fault, 0)
    assert holds(database, claim)
    gone = insert_scene(database, Status.QUEUED)
    deletion = deletion_of(server_now_sync(database) + timedelta(hours=1), 0)
    database["scenes"].update_one({"_id": gone["_id"]}, {"$set": {"deletion": deletion}})
    assert not crud_lease.hold_back(database, gone, fault, 0)


def test_scene_is_swept_later_where_an_upload_may_be_open_that_nobody_knows_of(database: Sync) -> None:
    claim = claimed(database)
    assert crud_lease.note_upload(database, claim, {"upload_id": "u"})
    assert not read_scene(database, claim.scene_id).get("sweep")
    assert crud_lease.note_upload(database, claim, {"upload_id": "u"}, another=True)
    assert read_scene(database, claim.scene_id)["sweep"]["at_ms"] > milliseconds(claim.started_at)

"""What the monitor shows of a workspace, and trying its failures again."""

from uuid import uuid4

import pytest

from app.core.config import Settings
from app.core.database import Async, Document, Sync, server_now_sync
from app.crud import crud_lease, crud_media, crud_monitor
from app.crud.crud_lease import Ending
from app.crud.crud_monitor import SLOT_SECONDS, SLOTS, StoredCounts
from app.models.media import Status, milliseconds
from tests.contract.conftest import WORKSPACE, Place, insert_scene, lease, read_scene

pytestmark = pytest.mark.anyio


def elsewhere(database: Sync, scene: Document) -> None:
    database["scenes"].update_one({"_id": scene["_id"]}, {"$set": {"workspace": "elsewhere"}})


async def test_what_workers_hold_is_listed_for_its_workspace_alone(async_database: Async, database: Sync) -> None:
    now = server_now_sync(database)
    held = [insert_scene(database, Status.DOWNLOADING, lease=lease(now, 30 + n, f"t{n}")) for n in range(3)]
    insert_scene(database, Status.DOWNLOADING, deleted=True)
    elsewhere(database, insert_scene(database, Status.PROCESSING))
    for status in (Status.QUEUED, Status.READY, None):
        insert_scene(database, status)
    found = await crud_monitor.list_work(async_database, WORKSPACE, 10)
    assert {scene["_id"] for scene in found} == {scene["_id"] for scene in held}
    assert len(await crud_monitor.list_work(async_database, WORKSPACE, 2)) == 2


async def test_a_scene_counts_from_the_moment_it_became_ready(async_database: Async, database: Sync) -> None:
    counts = StoredCounts()
    scene = insert_scene(database, Status.QUEUED)
    assert await counts.of(async_database, WORKSPACE) == [0] * SLOTS
    claim = crud_lease.claim(database, scene["_id"], 1, "w", 30)
    assert claim is not None
    database["scenes"].update_one({"_id": scene["_id"]}, {"$set": {"media.status": Status.PROCESSING}})
    assert crud_lease.end_attempt(database, claim, Status.READY, Ending("ready"))
    assert sum((await counts.of(async_database, WORKSPACE))[-2:]) == 1
    assert await counts.of(async_database, "elsewhere") == [0] * SLOTS


async def test_a_failed_attempt_is_no_stored_scene(database: Sync) -> None:
    scene = insert_scene(database, Status.QUEUED)
    claim = crud_lease.claim(database, scene["_id"], 1, "w", 30)
    assert claim is not None
    assert crud_lease.end_attempt(database, claim, Status.FAILED, Ending("failed"))
    assert read_scene(database, scene["_id"])["media"]["stored_ms"] is None


async def test_each_slot_holds_its_own_and_what_is_over_is_counted_once(async_database: Async, database: Sync) -> None:
    counts, now = StoredCounts(), server_now_sync(database)

    def store(slots_ago: float) -> None:
        insert_scene(database, Status.READY, stored_ms=milliseconds(now, -slots_ago * SLOT_SECONDS))

    for slots_ago in (10, 10, 20, 40):
        store(slots_ago)
    insert_scene(database, Status.READY, deleted=True, stored_ms=milliseconds(now, -10 * SLOT_SECONDS))
    first = await counts.of(async_database, WORKSPACE)
    assert sorted(count for count in first if count) == [1, 2]
    assert first.index(2) - first.index(1) == 10
    store(10)
    store(0)
    again = await counts.of(async_database, WORKSPACE)
    assert sorted(count for count in again if count) == [1, 1, 2]
    assert sum(again[-2:]) == 1


async def test_failures_of_all_projects_are_tried_again_by_code_and_so_many_at_once(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    def fail(code: str) -> Document:
        return insert_scene(database, Status.FAILED, Place(str(uuid4()), str(uuid4())), error={"code": code})

    others = [fail(code) for code in ("link.not_found", *["fetch.timeout"] * 3)]
    for scene in others[1:]:
        elsewhere(database, scene)
    wanted = [fail("fetch.timeout") for _ in range(5)]
    tried = [
        {scene["_id"] for scene in await crud_media.retry_failed(async_database, settings, WORKSPACE, codes, limit=3)}
        for codes in (["fetch.timeout"], ["fetch.timeout"], ["fetch.timeout"])
    ]
    assert [len(scenes) for scenes in tried] == [3, 2, 0]
    assert set().union(*tried) == {scene["_id"] for scene in wanted}
    assert [read_scene(database, scene["_id"])["media"]["status"] for scene in others] == [Status.FAILED] * 4


async def test_failures_of_one_project_are_tried_again_alone(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    mine, other = (
        insert_scene(database, Status.FAILED, Place(str(uuid4()), str(uuid4())), error={"code": "internal"})
        for _ in range(2)
    )
    tried = await crud_media.retry_failed(async_database, settings, WORKSPACE, None, project_id=mine["project_id"])
    assert [scene["_id"] for scene in tried] == [mine["_id"]]
    assert read_scene(database, other["_id"])["media"]["status"] == Status.FAILED

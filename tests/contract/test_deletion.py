"""Deleting a scene, and taking that back: within its time, and never a scene without its files."""

import asyncio
from datetime import timedelta

import pytest

from app.core.config import Settings
from app.core.database import Async, Document, Sync, server_now_sync
from app.core.errors import NotRestorableError, SceneNotFoundError
from app.crud import crud_backlog, crud_deletion, crud_lease, crud_scene
from app.models.media import ACTIVE, Status, milliseconds
from app.services.storage.bucket import Bucket
from app.services.sweep import clean_up, finish_deletion
from tests.contract.conftest import WORKSPACE, Place, insert_scene, read_scene

HOUR = timedelta(hours=1)
AT_REST = [Status.PENDING, Status.QUEUED, Status.RETRYING, Status.READY, Status.FAILED, Status.CANCELED, None]

pytestmark = pytest.mark.anyio


async def deleted(database: Async, settings: Settings, scene: Document) -> Document:
    marked = await crud_deletion.mark_deleted(database, settings, WORKSPACE, scene["_id"])
    deletion: Document = marked["deletion"]
    return deletion


async def restored(database: Async, settings: Settings, scene: Document) -> tuple[Document, bool]:
    return await crud_deletion.take_back(database, settings, WORKSPACE, scene["_id"])


def let_time_pass(database: Sync) -> None:
    """The time in which the deletions can be undone is over."""
    for scene in database["scenes"].find({"deletion.purge_ms": {"$gt": 0}}):
        gone = {**scene["deletion"], "purge_ms": milliseconds(server_now_sync(database), -1)}
        database["scenes"].update_one({"_id": scene["_id"]}, {"$set": {"deletion": gone}})


async def test_deleted_scene_is_gone_for_every_reader_until_it_is_restored(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    scene = insert_scene(database, Status.READY)
    await deleted(async_database, settings, scene)
    assert await crud_scene.list_scenes(async_database, scene["project_id"]) == []
    assert await crud_scene.find_scenes(async_database, [scene["_id"]]) == []
    with pytest.raises(SceneNotFoundError):
        await crud_scene.get_scene(async_database, WORKSPACE, scene["_id"])
    await restored(async_database, settings, scene)
    [shown] = await crud_scene.list_scenes(async_database, scene["project_id"])
    assert (shown["media"], shown["version"]) == (scene["media"], scene["version"] + 2)


async def test_deleting_again_changes_nothing(async_database: Async, database: Sync, settings: Settings) -> None:
    scene = insert_scene(database, Status.READY)
    first = await deleted(async_database, settings, scene)
    before = read_scene(database, scene["_id"])
    assert milliseconds(before["deletion"]["at"], settings.takeup_trash_seconds) <= first["purge_ms"] + 1
    assert await deleted(async_database, settings, scene) == first
    assert read_scene(database, scene["_id"]) == before


@pytest.mark.parametrize("status", AT_REST)
async def test_restored_scene_is_as_it_was(
    async_database: Async, database: Sync, settings: Settings, status: Status | None
) -> None:
    scene = insert_scene(database, status)
    await deleted(async_database, settings, scene)
    after, queued = await restored(async_database, settings, scene)
    assert not queued
    assert (after["media"], after["deletion"]) == (scene["media"], None)


@pytest.mark.parametrize("status", sorted(ACTIVE))
async def test_what_a_worker_was_at_starts_over_when_it_is_restored(
    async_database: Async, database: Sync, settings: Settings, status: Status
) -> None:
    scene = insert_scene(database, status, attempt=3, generation=4)
    await deleted(async_database, settings, scene)
    after, queued = await restored(async_database, settings, scene)
    assert queued
    media = after["media"]
    assert (media["status"], media["generation"], media["attempt"]) == (Status.QUEUED, 5, 0)
    assert (media["lease"], media["source_url"]) == (None, scene["media"]["source_url"])
    assert after["sweep"]["at_ms"] > media["due_ms"]


async def test_restoring_what_is_not_deleted_changes_nothing(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    for status in (Status.READY, Status.DOWNLOADING):
        scene = insert_scene(database, status)
        assert await restored(async_database, settings, scene) == (scene, False)
        assert read_scene(database, scene["_id"]) == scene


async def test_deletion_cannot_be_undone_once_its_time_is_over(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    scene = insert_scene(database, Status.READY)
    await deleted(async_database, settings, scene)
    let_time_pass(database)
    with pytest.raises(NotRestorableError):
        await restored(async_database, settings, scene)


async def test_final_deletion_cannot_be_undone_within_its_time_either(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    scene = insert_scene(database, Status.READY)
    await deleted(async_database, settings, scene)
    assert crud_deletion.make_final(database, read_scene(database, scene["_id"]))
    with pytest.raises(NotRestorableError):
        await restored(async_database, settings, scene)


async def test_no_other_workspace_deletes_or_restores_a_scene(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    scene = insert_scene(database, Status.READY)
    for change in (crud_deletion.mark_deleted, crud_deletion.restore_scene):
        with pytest.raises(SceneNotFoundError):
            await change(async_database, settings, "another", scene["_id"])
    assert read_scene(database, scene["_id"]) == scene


async def test_scene_that_was_restored_meanwhile_is_not_purged(
    async_database: Async, database: Sync, settings: Settings, bucket: Bucket, place: Place
) -> None:
    """The cleaner read the deletion, and was slow."""
    scene = insert_scene(database, Status.READY, place, original={"key": place.key(1)})
    bucket.put(place.key(1), b"x", "video/mp4")
    await deleted(async_database, settings, scene)
    late = server_now_sync(database) + HOUR
    [seen] = crud_deletion.due_deletions(database, late, 10)
    await restored(async_database, settings, scene)
    assert not finish_deletion(database, bucket, seen, late)
    assert bucket.head(place.key(1)) is not None
    assert read_scene(database, place.scene_id)["deletion"] is None


async def test_scene_that_was_restored_and_deleted_again_meanwhile_has_its_whole_time(
    async_database: Async, database: Sync, settings: Settings, bucket: Bucket, place: Place
) -> None:
    scene = insert_scene(database, Status.READY, place, original={"key": place.key(1)})
    await deleted(async_database, settings, scene)
    late = server_now_sync(database) + HOUR
    [seen] = crud_deletion.due_deletions(database, late, 10)
    await restored(async_database, settings, scene)
    longer = settings.model_copy(update={"takeup_trash_seconds": settings.takeup_trash_seconds + 1})
    await deleted(async_database, longer, scene)
    assert not finish_deletion(database, bucket, seen, late)
    await restored(async_database, settings, scene)


async def test_purge_and_restore_at_the_same_moment_leave_a_whole_scene_or_none(
    async_database: Async, database: Sync, settings: Settings, bucket: Bucket, place: Place
) -> None:
    late = server_now_sync(database) + HOUR
    for round_ in range(1, 13):
        here = Place(place.project_id, place.scene_id[:-4] + f"{round_:04d}")
        scene = insert_scene(database, Status.READY, here, original={"key": here.key(1)})
        bucket.put(here.key(1), b"x", "video/mp4")
        await deleted(async_database, settings, scene)
        seen = read_scene(database, here.scene_id)
        purge = asyncio.to_thread(finish_deletion, database, bucket, seen, late)
        restore = restored(async_database, settings, scene)
        purged, answer = await asyncio.gather(purge, restore, return_exceptions=True)
        alive = not isinstance(answer, BaseException)
        assert alive is not purged
        assert (bucket.head(here.key(1)) is not None) is alive
        assert database["scenes"].count_documents({"_id": here.scene_id}) == int(alive)
        bucket.delete([here.key(1)])


async def test_worker_of_a_deleted_scene_stops_and_its_restored_scene_is_stored_anew(
    async_database: Async, database: Sync, settings: Settings, bucket: Bucket, place: Place
) -> None:
    scene = insert_scene(database, Status.QUEUED, place)
    claim = crud_lease.claim(database, place.scene_id, 1, "w", 30)
    assert claim is not None
    await deleted(async_database, settings, scene)
    assert not crud_lease.still_held(database, claim)
    crud_lease.let_go(database, claim)
    after, queued = await restored(async_database, settings, scene)
    assert queued
    again = crud_lease.claim(database, place.scene_id, after["media"]["generation"], "w", 30)
    assert again is not None
    assert not crud_lease.still_held(database, claim)


async def test_deletions_that_are_due_are_found_longest_deleted_first(database: Sync) -> None:
    gone = [insert_scene(database, status, deleted=True) for status in (Status.READY, Status.QUEUED, None)]
    kept = insert_scene(database, Status.READY)["_id"]
    now = server_now_sync(database)
    found = list(crud_deletion.due_deletions(database, now, 10))
    assert sorted(scene["_id"] for scene in found) == sorted(scene["_id"] for scene in gone)
    times = [scene["deletion"]["purge_ms"] for scene in found]
    assert times == sorted(times)
    assert list(crud_deletion.due_deletions(database, now - HOUR, 10)) == []
    for scene_id in (*(scene["_id"] for scene in gone), kept):
        crud_deletion.remove_scene(database, scene_id)
    assert database["scenes"].count_documents({}) == 4
    for scene in found:
        assert crud_deletion.make_final(database, scene)
        crud_deletion.remove_scene(database, scene["_id"])
    assert [scene["_id"] for scene in database["scenes"].find()] == [kept]


async def test_deleted_scene_is_neither_rung_for_nor_taken_from_its_worker(database: Sync) -> None:
    for status in Status:
        insert_scene(database, status, deleted=True)
    late = server_now_sync(database) + HOUR
    assert list(crud_backlog.waiting_too_long(database, late, 50)) == []
    assert list(crud_backlog.expired_leases(database, late, 50)) == []


async def test_cleaning_up_again_after_a_crash_finishes_a_final_deletion(
    async_database: Async, database: Sync, settings: Settings, bucket: Bucket, place: Place
) -> None:
    scene = insert_scene(database, Status.READY, place, original={"key": place.key(1)})
    bucket.put(place.key(1), b"x", "video/mp4")
    await deleted(async_database, settings, scene)
    let_time_pass(database)
    assert crud_deletion.make_final(database, read_scene(database, place.scene_id))
    clean_up(database, bucket)
    assert bucket.head(place.key(1)) is None
    assert database["scenes"].count_documents({"_id": place.scene_id}) == 0

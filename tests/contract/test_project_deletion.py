"""Deleting a project with its scenes, and taking that back: whole, also where a process dies half way."""

from collections.abc import Sequence

import pytest

from app.core.config import Settings
from app.core.database import Async, Document, Sync, server_now_sync
from app.core.errors import NotRestorableError, ProjectNotFoundError, SceneNotFoundError
from app.crud import crud_deletion, crud_project, crud_scene
from app.models.media import Status, milliseconds
from app.services.storage.bucket import Bucket
from app.services.sweep import clean_up
from tests.contract.conftest import WORKSPACE, Place, insert_scene, read_scene

pytestmark = pytest.mark.anyio


@pytest.fixture
async def project_id(async_database: Async) -> str:
    return str((await crud_project.create_project(async_database, WORKSPACE, "Reel"))["_id"])


def scene_in(database: Sync, project_id: str, status: Status | None, *, generation: int = 1) -> Document:
    place = Place(project_id, f"{project_id[:-6]}{database['scenes'].count_documents({}):06d}")
    return insert_scene(database, status, place, generation=generation)


async def delete(database: Async, settings: Settings, project_id: str) -> Document:
    return await crud_project.mark_project_deleted(database, settings, WORKSPACE, project_id)


async def restore(database: Async, settings: Settings, project_id: str) -> list[Document]:
    return await crud_project.restore_project(database, settings, WORKSPACE, project_id)


async def shown(database: Async, project_id: str) -> set[str]:
    """What a person sees of the project: its scenes, if it is there itself."""
    await crud_project.get_project(database, WORKSPACE, project_id)
    return {scene["_id"] for scene in await crud_scene.list_scenes(database, project_id)}


def ids(scenes: Sequence[Document]) -> set[str]:
    return {scene["_id"] for scene in scenes}


def let_time_pass(database: Sync) -> None:
    """The time in which the deletions can be undone is over, and that of workers that lost a scene."""
    for collection in ("projects", "scenes"):
        for document in database[collection].find({"deletion.purge_ms": {"$gt": 0}}):
            gone = {**document["deletion"], "purge_ms": milliseconds(server_now_sync(database), -1)}
            database[collection].update_one({"_id": document["_id"]}, {"$set": {"deletion": gone}})
    database["scenes"].update_many({}, {"$set": {"sweep": None}})


def finish(database: Sync, bucket: Bucket) -> None:
    """Rounds of the reconciler and of cleaning up, as many as a deletion may take."""
    for _ in range(3):
        crud_project.finish_project_deletions(database)
        clean_up(database, bucket)
    crud_project.finish_project_deletions(database)


async def test_project_takes_its_scenes_along_and_brings_exactly_those_back(
    async_database: Async, database: Sync, settings: Settings, project_id: str
) -> None:
    kept = [scene_in(database, project_id, status) for status in (Status.READY, Status.QUEUED, Status.FAILED, None)]
    before = scene_in(database, project_id, Status.READY)
    await crud_deletion.mark_deleted(async_database, settings, WORKSPACE, before["_id"])
    deletion = await delete(async_database, settings, project_id)
    assert await delete(async_database, settings, project_id) == deletion
    with pytest.raises(ProjectNotFoundError):
        await shown(async_database, project_id)
    assert await crud_scene.list_scenes(async_database, project_id) == []
    assert await restore(async_database, settings, project_id) == []
    assert await shown(async_database, project_id) == ids(kept)
    assert [read_scene(database, scene["_id"])["media"] for scene in kept] == [scene["media"] for scene in kept]
    assert await restore(async_database, settings, project_id) == []
    assert await shown(async_database, project_id) == ids(kept)


async def test_scene_that_was_on_its_way_starts_over_and_one_that_waited_waits(
    async_database: Async, database: Sync, settings: Settings, project_id: str
) -> None:
    running = scene_in(database, project_id, Status.UPLOADING, generation=2)
    waiting = scene_in(database, project_id, Status.QUEUED, generation=2)
    await delete(async_database, settings, project_id)
    [queued] = await restore(async_database, settings, project_id)
    assert queued["_id"] == running["_id"]
    media = read_scene(database, running["_id"])["media"]
    assert (media["status"], media["generation"], media["lease"]) == (Status.QUEUED, 3, None)
    assert read_scene(database, waiting["_id"])["media"] == waiting["media"]


async def test_project_cannot_be_restored_once_its_time_is_over(
    async_database: Async, database: Sync, settings: Settings, project_id: str, bucket: Bucket
) -> None:
    scene_in(database, project_id, Status.READY)
    await delete(async_database, settings, project_id)
    let_time_pass(database)
    with pytest.raises(NotRestorableError):
        await restore(async_database, settings, project_id)
    finish(database, bucket)
    with pytest.raises(ProjectNotFoundError):
        await restore(async_database, settings, project_id)
    assert database["projects"].count_documents({}) == database["scenes"].count_documents({}) == 0


async def test_no_other_workspace_deletes_or_restores_a_project(
    async_database: Async, settings: Settings, project_id: str
) -> None:
    for change in (crud_project.mark_project_deleted, crud_project.restore_project):
        with pytest.raises(ProjectNotFoundError):
            await change(async_database, settings, "another", project_id)
    assert await shown(async_database, project_id) == set()


async def test_deletion_that_died_between_project_and_scenes_is_finished(
    async_database: Async, database: Sync, settings: Settings, project_id: str, bucket: Bucket
) -> None:
    scene_in(database, project_id, Status.READY)
    await delete(async_database, settings, project_id)
    database["scenes"].update_many({}, {"$set": {"deletion": None}})
    let_time_pass(database)
    finish(database, bucket)
    assert database["projects"].count_documents({}) == database["scenes"].count_documents({}) == 0


async def test_deletion_that_died_between_project_and_scenes_can_be_undone(
    async_database: Async, database: Sync, settings: Settings, project_id: str, bucket: Bucket
) -> None:
    scenes = [scene_in(database, project_id, Status.READY), scene_in(database, project_id, Status.DOWNLOADING)]
    await delete(async_database, settings, project_id)
    database["scenes"].update_one({"_id": scenes[0]["_id"]}, {"$set": {"deletion": None}})
    await restore(async_database, settings, project_id)
    finish(database, bucket)
    assert await shown(async_database, project_id) == ids(scenes)


async def test_restore_that_died_between_scenes_and_project_can_be_repeated(
    async_database: Async, database: Sync, settings: Settings, project_id: str, bucket: Bucket
) -> None:
    scenes = [scene_in(database, project_id, status) for status in (Status.READY, Status.DOWNLOADING)]
    await delete(async_database, settings, project_id)
    await crud_deletion.take_back(async_database, settings, WORKSPACE, scenes[1]["_id"])
    finish(database, bucket)
    with pytest.raises(ProjectNotFoundError):
        await shown(async_database, project_id)
    await restore(async_database, settings, project_id)
    assert await shown(async_database, project_id) == ids(scenes)


async def test_restore_that_died_between_scenes_and_project_ends_deleted_unless_repeated(
    async_database: Async, database: Sync, settings: Settings, project_id: str, bucket: Bucket
) -> None:
    scenes = [scene_in(database, project_id, status) for status in (Status.READY, Status.DOWNLOADING)]
    await delete(async_database, settings, project_id)
    for scene in scenes:
        await crud_deletion.take_back(async_database, settings, WORKSPACE, scene["_id"])
    let_time_pass(database)
    finish(database, bucket)
    assert database["scenes"].count_documents({}) == 0
    assert database["projects"].count_documents({}) == 0


async def test_scene_added_while_its_project_was_being_deleted_goes_with_it(
    async_database: Async, database: Sync, settings: Settings, project_id: str, bucket: Bucket
) -> None:
    await delete(async_database, settings, project_id)
    scene_in(database, project_id, Status.QUEUED)
    let_time_pass(database)
    finish(database, bucket)
    assert database["scenes"].count_documents({}) == 0


async def test_project_goes_last(async_database: Async, database: Sync, settings: Settings, project_id: str) -> None:
    scene = scene_in(database, project_id, Status.READY)
    await delete(async_database, settings, project_id)
    let_time_pass(database)
    assert crud_project.finish_project_deletions(database) == 0
    marked = read_scene(database, scene["_id"])
    assert crud_deletion.make_final(database, marked)
    crud_deletion.remove_scene(database, scene["_id"])
    assert crud_project.finish_project_deletions(database) == 1
    assert database["projects"].count_documents({}) == 0


async def test_scene_of_a_deleted_project_cannot_be_restored_or_deleted_alone(
    async_database: Async, database: Sync, settings: Settings, project_id: str
) -> None:
    scene = scene_in(database, project_id, Status.READY)
    await delete(async_database, settings, project_id)
    with pytest.raises(ProjectNotFoundError):
        await crud_deletion.restore_scene(async_database, settings, WORKSPACE, scene["_id"])
    with pytest.raises(SceneNotFoundError):
        await crud_deletion.mark_deleted(async_database, settings, WORKSPACE, scene["_id"])


async def test_deletion_that_died_between_project_and_scenes_is_finished_when_it_is_repeated(
    async_database: Async, database: Sync, settings: Settings, project_id: str
) -> None:
    scene = scene_in(database, project_id, Status.READY)
    await delete(async_database, settings, project_id)
    database["scenes"].update_one({"_id": scene["_id"]}, {"$set": {"deletion": None}})
    await delete(async_database, settings, project_id)
    assert read_scene(database, scene["_id"])["deletion"]["with_project"]

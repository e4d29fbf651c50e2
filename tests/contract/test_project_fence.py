"""A project's deletion that ends at the very moment of its restore: a whole project is left, or none."""

from contextlib import suppress
from dataclasses import dataclass

import pytest

from app.core.config import Settings
from app.core.database import Async, Sync, server_now_sync
from app.core.errors import NotRestorableError, ProjectNotFoundError
from app.crud import crud_project
from app.crud.crud_scene import ALIVE
from app.models.media import Status, moment_of
from app.services.storage.bucket import Bucket
from app.services.sweep import clean_up
from tests.contract import between
from tests.contract.conftest import WORKSPACE, Place, insert_scene
from tests.servers import eventually

pytestmark = pytest.mark.anyio


@dataclass
class Reel:
    """A project with at most one scene, and the servers that hold it."""

    database: Sync
    api: Async
    settings: Settings
    bucket: Bucket
    place: Place

    def fill(self, status: Status | None) -> set[str]:
        """The ids of its scenes."""
        return {insert_scene(self.database, status, self.place)["_id"]} if status else set()

    async def delete(self, seconds: float) -> int:
        """Delete it, to be undone for so many seconds: until this moment."""
        settings = self.settings.model_copy(update={"takeup_trash_seconds": seconds})
        project_id = self.place.project_id
        deletion = await crud_project.mark_project_deleted(self.api, settings, WORKSPACE, project_id)
        return int(deletion["purge_ms"])

    def undo(self) -> bool:
        """The last two writes of a restore; whether the project is there again."""
        undoing = [
            self.database[name].update_many({"deletion.final": False}, {"$set": {"deletion": None}})
            for name in ("scenes", "projects")
        ]
        return bool(undoing[1].matched_count)

    def finish(self) -> None:
        for _ in range(3):
            crud_project.finish_project_deletions(self.database)
            clean_up(self.database, self.bucket)

    def is_whole(self, scenes: set[str]) -> bool:
        """Whether the project is there; then all its scenes are, and otherwise none."""
        there = self.database["projects"].count_documents(ALIVE) == 1
        assert {scene["_id"] for scene in self.database["scenes"].find(ALIVE)} == (scenes if there else set())
        return there


@pytest.fixture
async def reel(
    async_database: Async, database: Sync, database_settings: Settings, bucket: Bucket, place: Place
) -> Reel:
    project = await crud_project.create_project(async_database, WORKSPACE, "Reel")
    return Reel(database, async_database, database_settings, bucket, Place(project["_id"], place.scene_id))


@pytest.mark.parametrize("status", [Status.READY, Status.DOWNLOADING])
async def test_slow_restore_leaves_a_whole_project_or_none(reel: Reel, status: Status) -> None:
    """The time runs out, and the end of the deletion begins, just before the project itself is restored."""
    scenes = reel.fill(status)
    late = moment_of(await reel.delete(0.5) + 1)

    def run_out() -> None:
        eventually(lambda: server_now_sync(reel.database) > late, seconds=5, what="the time runs out")
        crud_project.finish_project_deletions(reel.database)

    before = between.Before("update", "projects", run_out)
    slow = between.async_database(reel.settings, before)
    restored = False
    async with slow.client:
        with suppress(NotRestorableError, ProjectNotFoundError):
            await crud_project.restore_project(slow, reel.settings, WORKSPACE, reel.place.project_id)
            restored = True
    assert before.done
    reel.finish()
    assert reel.is_whole(scenes) is restored


@pytest.mark.parametrize(("status", "command"), [(Status.READY, "update"), (None, "update"), (None, "delete")])
async def test_slow_end_of_a_deletion_leaves_a_project_alone_that_was_restored_in_time(
    reel: Reel, status: Status | None, command: str
) -> None:
    """The restore looked at the clock in time, and its last two writes come when the end has begun."""
    scenes = reel.fill(status)
    late = moment_of(await reel.delete(0) + 1)
    eventually(lambda: server_now_sync(reel.database) > late, seconds=5, what="the time runs out")
    undone = []
    before = between.Before(
        command, "scenes" if command == "update" else "projects", lambda: undone.append(reel.undo())
    )
    slow = between.sync_database(reel.settings, before)
    with slow.client:
        crud_project.finish_project_deletions(slow)
    assert before.done
    reel.finish()
    assert [reel.is_whole(scenes)] == undone

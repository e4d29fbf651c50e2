"""What people edit: one write for all of it, refused where somebody else has edited since, and never lost."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from app.core.config import Settings
from app.core.database import Async, Document, Sync
from app.core.errors import EditConflictError, ProjectNotFoundError, SceneNotFoundError
from app.core.media_errors import StalledError
from app.crud import crud_edit, crud_lease, crud_media, crud_order, crud_project, crud_scene
from app.crud.crud_lease import Claim, Ending
from app.models.media import Status
from tests.contract.conftest import LINK, WORKSPACE, insert_scene, read_scene

OTHER_LINK = "https://example.com/b.mp4"

pytestmark = pytest.mark.anyio


async def edited(
    database: Async, settings: Settings, scene: Document, since: int | None = None, **edits: str | None
) -> Document:
    found, _ = await crud_edit.edit_scene(database, settings, WORKSPACE, scene["_id"], edits, unchanged_since=since)
    return found


async def project_of(database: Async, settings: Settings, count: int) -> tuple[str, list[Document]]:
    project_id = (await crud_project.create_project(database, WORKSPACE, "Reel"))["_id"]
    contents: list[tuple[str, str | None]] = [(f"s{n}", LINK) for n in range(count)]
    scenes = await crud_order.create_scenes(database, WORKSPACE, project_id, contents, settings=settings)
    return project_id, scenes


async def test_scenes_keep_their_order_through_inserts_and_moves(async_database: Async, settings: Settings) -> None:
    project_id, made = await project_of(async_database, settings, 4)
    first, second, third, last = (scene["_id"] for scene in made)
    [between] = await crud_order.create_scenes(
        async_database, WORKSPACE, project_id, [("new", None)], settings=settings, after=first, at_end=False
    )
    await edited(async_database, settings, made[3], after=None)
    await edited(async_database, settings, made[1], after=third)
    ordered = [scene["_id"] for scene in await crud_scene.list_scenes(async_database, project_id)]
    assert ordered == [last, first, between["_id"], third, second]
    versions = await crud_scene.list_versions(async_database, project_id)
    assert versions == {first: 1, between["_id"]: 1, third: 1, second: 2, last: 2}
    found = await crud_scene.find_scenes(async_database, [first, str(uuid4())])
    assert [scene["_id"] for scene in found] == [first]


async def test_edits_of_several_fields_are_one_write(async_database: Async, settings: Settings) -> None:
    _, made = await project_of(async_database, settings, 2)
    after = await edited(async_database, settings, made[1], text="The boats.", source_url=OTHER_LINK, after=None)
    assert (after["text"], after["media"]["source_url"]) == ("The boats.", OTHER_LINK)
    assert after["position"] < made[0]["position"]
    assert after["version"] == made[1]["version"] + 1


async def test_edit_with_one_part_that_cannot_be_changes_nothing(async_database: Async, settings: Settings) -> None:
    _, [made] = await project_of(async_database, settings, 1)
    scene = await crud_scene.get_scene(async_database, WORKSPACE, made["_id"])
    with pytest.raises(SceneNotFoundError):
        await edited(async_database, settings, scene, text="new", source_url=OTHER_LINK, after=str(uuid4()))
    assert (await crud_scene.get_scene(async_database, WORKSPACE, made["_id"])) == scene


async def test_edit_that_changes_nothing_writes_nothing(async_database: Async, settings: Settings) -> None:
    _, [scene] = await project_of(async_database, settings, 1)
    assert (await edited(async_database, settings, scene, source_url=LINK))["version"] == scene["version"]
    assert (await edited(async_database, settings, scene))["version"] == scene["version"]


async def test_edit_is_refused_after_another_one_since_the_version_it_names(
    async_database: Async, settings: Settings
) -> None:
    _, [scene] = await project_of(async_database, settings, 1)
    first = await edited(async_database, settings, scene, since=scene["version"], text="one")
    with pytest.raises(EditConflictError):
        await edited(async_database, settings, scene, since=scene["version"], text="two")
    second = await edited(async_database, settings, scene, since=first["version"], text="three")
    assert second["text"] == "three"
    assert (await edited(async_database, settings, scene, text="four"))["text"] == "four"


@pytest.mark.parametrize("edits", [{"text": "mine"}, {"source_url": OTHER_LINK}, {"source_url": None}, {"after": None}])
async def test_each_kind_of_edit_conflicts_with_each_other(
    async_database: Async, settings: Settings, edits: dict[str, str | None]
) -> None:
    others: list[dict[str, str | None]] = [{"text": "theirs"}, {"source_url": f"{LINK}?theirs"}, {"after": None}]
    for theirs in others:
        _, made = await project_of(async_database, settings, 2)
        await edited(async_database, settings, made[1], None, **theirs)
        with pytest.raises(EditConflictError):
            await edited(async_database, settings, made[1], made[1]["version"], **edits)


async def test_link_given_with_the_request_to_store_it_is_an_edit(async_database: Async, settings: Settings) -> None:
    _, [scene] = await project_of(async_database, settings, 1)
    await crud_media.request_storage(async_database, settings, WORKSPACE, scene["_id"], link=OTHER_LINK)
    with pytest.raises(EditConflictError):
        await edited(async_database, settings, scene, since=scene["version"], text="mine")


def work_on(database: Sync, claim: Claim, target: Status) -> None:
    assert crud_lease.renew(database, claim, 30, {"bytes_done": 1})
    assert crud_lease.note_upload(database, claim, {"upload_id": "u"})
    assert crud_scene.update_scene_status_sync(database, claim.fence, Status.DOWNLOADING)
    assert crud_lease.end_attempt(database, claim, target, Ending("failed", StalledError().failure()))


async def test_progress_and_changes_of_state_are_in_nobodys_way(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    scene = insert_scene(database, Status.PENDING)
    since = scene["version"]
    await crud_media.request_storage(async_database, settings, WORKSPACE, scene["_id"])
    claim = crud_lease.claim(database, scene["_id"], 2, "w", 30)
    assert claim is not None
    work_on(database, claim, Status.FAILED)
    await crud_media.retry(async_database, settings, WORKSPACE, scene["_id"])
    await crud_media.cancel(async_database, WORKSPACE, scene["_id"])
    before = read_scene(database, scene["_id"])
    assert before["version"] > since + 5
    after = await edited(async_database, settings, scene, since=since, text="mine")
    assert (after["text"], after["media"]) == ("mine", before["media"])


async def test_edit_of_the_text_keeps_what_a_worker_wrote_meanwhile(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    scene = insert_scene(database, Status.QUEUED)
    claim = crud_lease.claim(database, scene["_id"], 1, "w", 30)
    assert claim is not None
    await edited(async_database, settings, scene, text="mine")
    work_on(database, claim, Status.FAILED)
    after = read_scene(database, scene["_id"])
    assert (after["text"], after["media"]["status"]) == ("mine", Status.FAILED)


async def test_edits_at_the_same_moment_lose_none(async_database: Async, settings: Settings) -> None:
    _, made = await project_of(async_database, settings, 2)
    scene = made[1]
    await asyncio.gather(
        edited(async_database, settings, scene, text="mine"),
        edited(async_database, settings, scene, source_url=OTHER_LINK),
        edited(async_database, settings, scene, after=None),
    )
    after = await crud_scene.get_scene(async_database, WORKSPACE, scene["_id"])
    assert (after["text"], after["media"]["source_url"], after["version"]) == ("mine", OTHER_LINK, 4)
    assert after["position"] < made[0]["position"]


async def test_of_edits_of_one_version_at_the_same_moment_one_wins(async_database: Async, settings: Settings) -> None:
    _, [scene] = await project_of(async_database, settings, 1)
    tries = [edited(async_database, settings, scene, since=1, text=f"writer {n}") for n in range(4)]
    answers: list[Any] = await asyncio.gather(*tries, return_exceptions=True)
    [winner] = [answer for answer in answers if isinstance(answer, dict)]
    assert sum(isinstance(answer, EditConflictError) for answer in answers) == 3
    assert (await crud_scene.get_scene(async_database, WORKSPACE, scene["_id"]))["text"] == winner["text"]


async def test_project_is_renamed_unless_somebody_else_has_since(async_database: Async) -> None:
    project = await crud_project.create_project(async_database, WORKSPACE, "Reel")
    first = await crud_project.rename_project(async_database, WORKSPACE, project["_id"], "One", project["version"])
    with pytest.raises(EditConflictError):
        await crud_project.rename_project(async_database, WORKSPACE, project["_id"], "Two", project["version"])
    await crud_project.rename_project(async_database, WORKSPACE, project["_id"], "Three", first["version"])
    assert (await crud_project.get_project(async_database, WORKSPACE, project["_id"]))["title"] == "Three"
    with pytest.raises(ProjectNotFoundError):
        await crud_project.rename_project(async_database, "another", project["_id"], "Four", 1)

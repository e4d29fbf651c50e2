"""The height that a request asks for: part of what is asked, kept as long as the link is, and never above the cap."""

from typing import Any

import pytest

from app.core.config import Settings
from app.core.database import Async, Document, Sync, server_now_sync
from app.core.media_errors import StalledError
from app.crud import crud_backlog, crud_deletion, crud_edit, crud_lease, crud_media
from app.crud.crud_audit import queued_anew
from app.crud.crud_lease import Claim
from app.models.media import Media, Status
from tests.contract.conftest import LINK, WORKSPACE, insert_scene, read_scene

ALLOWED = 1080
SERVED = [Status.QUEUED, Status.DOWNLOADING, Status.RETRYING, Status.READY]

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"takeup_max_height": ALLOWED})


async def requested(
    database: Async, settings: Settings, scene: Document, max_height: int | None = None, **more: Any
) -> tuple[int, int | None]:
    """The generation and the height of the scene's media, after a request for that height."""
    scene, _ = await crud_media.request_storage(
        database, settings, WORKSPACE, scene["_id"], max_height=max_height, **more
    )
    return scene["media"]["generation"], scene["media"]["max_height"]


def claimed(database: Sync, scene: Document) -> Claim:
    generation = read_scene(database, scene["_id"])["media"]["generation"]
    claim = crud_lease.claim(database, scene["_id"], generation, "worker", 30)
    assert claim is not None
    return claim


@pytest.mark.parametrize(
    ("present", "asked"),
    [(None, None), (720, 720), (720, None), (None, ALLOWED), (None, 4320), (ALLOWED, 4320), (4320, 2160)],
)
async def test_the_same_or_no_height_is_the_same_request(
    async_database: Async, database: Sync, settings: Settings, present: int | None, asked: int | None
) -> None:
    for status in SERVED:
        scene = insert_scene(database, status, max_height=present)
        assert await requested(async_database, settings, scene, asked) == (1, present)
        assert read_scene(database, scene["_id"]) == scene


@pytest.mark.parametrize(("present", "asked"), [(None, 720), (720, 360), (360, 720), (720, ALLOWED), (720, 4320)])
async def test_another_height_is_another_request(
    async_database: Async, database: Sync, settings: Settings, present: int | None, asked: int
) -> None:
    for status in SERVED:
        scene = insert_scene(database, status, max_height=present)
        assert await requested(async_database, settings, scene, asked) == (2, asked)
        assert claimed(database, scene).max_height == asked


async def test_media_that_is_no_higher_than_that_serves(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    upright = {"kind": "video", "width": 360, "height": 640}
    scene = insert_scene(database, Status.READY, probe=upright)
    assert await requested(async_database, settings, scene, 360) == (1, None)
    assert await requested(async_database, settings, scene, 240) == (2, 240)


async def test_a_new_request_without_a_height_is_for_what_the_operator_allows(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    failed = insert_scene(database, Status.FAILED, max_height=360)
    assert await requested(async_database, settings, failed) == (2, None)
    ready = insert_scene(database, Status.READY, max_height=360)
    assert await requested(async_database, settings, ready, force=True) == (2, None)
    assert await requested(async_database, settings, ready, link=f"{LINK}?2") == (3, None)


async def test_what_is_begun_again_keeps_its_height(async_database: Async, database: Sync, settings: Settings) -> None:
    failed = insert_scene(database, Status.FAILED, max_height=360, error=StalledError().failure())
    await crud_media.retry(async_database, settings, WORKSPACE, failed["_id"])
    assert claimed(database, failed).max_height == 360

    crashed = insert_scene(database, Status.DOWNLOADING, max_height=360)
    assert crud_backlog.end_crashed_attempt(database, crashed, server_now_sync(database), due_ms=1)
    assert claimed(database, crashed).max_height == 360

    deleted = insert_scene(database, Status.DOWNLOADING, max_height=360)
    await crud_deletion.mark_deleted(async_database, settings, WORKSPACE, deleted["_id"])
    await crud_deletion.take_back(async_database, settings, WORKSPACE, deleted["_id"])
    assert claimed(database, deleted).max_height == 360

    anew = queued_anew(insert_scene(database, Status.READY, max_height=360), 1, settings, server_now_sync(database))
    assert anew["media"]["max_height"] == 360


async def test_another_link_is_stored_at_a_height_of_its_own(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    scene = insert_scene(database, Status.READY, max_height=360)
    link = {"source_url": f"{LINK}?2"}
    await crud_edit.edit_scene(async_database, settings, WORKSPACE, scene["_id"], link)
    assert read_scene(database, scene["_id"])["media"]["max_height"] is None


async def test_media_from_before_heights_could_be_asked_for_is_read_as_without(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    scene = insert_scene(database, Status.QUEUED)
    database["scenes"].update_one({"_id": scene["_id"]}, {"$unset": {"media.max_height": ""}})
    old = read_scene(database, scene["_id"])
    assert "max_height" not in old["media"]
    assert Media.from_document(old["media"]).max_height is None
    _, queued = await crud_media.request_storage(async_database, settings, WORKSPACE, old["_id"], max_height=ALLOWED)
    assert not queued
    assert claimed(database, scene).max_height is None
    assert queued_anew(old, 1, settings, server_now_sync(database))["media"]["max_height"] is None
    assert await requested(async_database, settings, scene, 720) == (2, 720)


@pytest.mark.parametrize(("asked", "cap"), [(None, ALLOWED), (720, 720), (ALLOWED, ALLOWED), (4320, ALLOWED)])
def test_of_what_is_asked_for_and_allowed_the_lower_holds(settings: Settings, asked: int | None, cap: int) -> None:
    assert settings.height_cap(asked) == cap

"""What a page that is open is told, by the hub, of what others write to the database."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from app.core.config import Settings
from app.core.database import Async, Document, Sync
from app.core.redis import Announcer
from app.crud import crud_project, crud_scene
from app.crud.crud_scene import edit
from app.services.live.hub import Hub
from tests.contract.conftest import NO_REDIS, WORKSPACE, Place, deletion_of, insert_scene
from tests.contract.page import Page, until
from tests.servers import embedded_servers

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def redis_url(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    others = {
        name.upper(): value for name, value in settings.model_dump().items() if name.startswith(("mongodb_uri", "s3_"))
    }
    others["S3_SECRET_ACCESS_KEY"] = settings.s3_secret_access_key.get_secret_value()
    with embedded_servers(tmp_path_factory.mktemp("redis"), others) as environment:
        yield environment["REDIS_URL"]


@pytest.fixture
def announcer(redis_url: str) -> Iterator[Announcer]:
    announcer = Announcer(redis_url)
    yield announcer
    announcer.close()


@asynccontextmanager
async def running_hub(database: Async, redis_url: str) -> AsyncIterator[Hub]:
    hub = Hub(database, redis_url)
    hub.start()
    yield hub
    await hub.close()


@pytest.fixture
async def hub(async_database: Async, redis_url: str) -> AsyncIterator[Hub]:
    async with running_hub(async_database, redis_url) as hub:
        yield hub


@pytest.fixture
async def deaf_hub(async_database: Async) -> AsyncIterator[Hub]:
    async with running_hub(async_database, NO_REDIS) as hub:
        yield hub


@pytest.fixture
async def project(async_database: Async) -> Document:
    return await crud_project.create_project(async_database, WORKSPACE, "A film")


def scene_of(database: Sync, project: Document) -> Document:
    return insert_scene(database, None, Place(project["_id"], str(uuid4())))


def write(database: Sync, scene: Document, text: str) -> None:
    database["scenes"].update_one({"_id": scene["_id"]}, edit({"text": text}))


async def hearing(hub: Hub, page: Page) -> None:
    """Wait until the page has its snapshot, and the hub the look that follows when Redis has begun to tell it."""
    await until(lambda: hub.hearing and page.names, 5, "the hub hears, and the page is open")
    await asyncio.sleep(0.2)


async def test_a_change_reaches_all_pages_as_the_same_bytes_within_a_moment(
    hub: Hub, database: Sync, project: Document, announcer: Announcer
) -> None:
    scene = scene_of(database, project)
    pages = [Page().open(hub, project) for _ in range(3)]
    await hearing(hub, pages[-1])
    write(database, scene, "said")
    announcer.changed(project["_id"], scene["_id"])
    await until(lambda: all(page.text(scene) == "said" for page in pages), 0.9, "shown everywhere")
    assert [page.names for page in pages] == [["snapshot", "scene"]] * 3
    for chunks in zip(*(page.chunks for page in pages), strict=True):
        assert len(set(map(id, chunks))) == 1


async def test_a_scene_is_told_four_times_a_second_at_most_and_always_its_last_state(
    hub: Hub, database: Sync, project: Document, announcer: Announcer
) -> None:
    scene, other = scene_of(database, project), scene_of(database, project)
    page = Page().open(hub, project)
    await hearing(hub, page)
    began = time.monotonic()
    for number in range(60):
        write(database, scene, str(number))
        announcer.changed(project["_id"], scene["_id"])
        await asyncio.sleep(0.01)
    write(database, other, "alone")
    announcer.changed(project["_id"], other["_id"])
    await until(lambda: page.text(scene) == "59" and page.text(other) == "alone", 0.9, "the last state is shown")
    told = page.names.count("scene") - 1
    assert 1 < told <= 2 + 4 * (time.monotonic() - began)


async def test_a_page_that_does_not_read_delays_nobody_and_gets_a_snapshot_when_it_does(
    hub: Hub, database: Sync, project: Document, announcer: Announcer
) -> None:
    scene = scene_of(database, project)
    slow, quick = Page().open(hub, project), Page().open(hub, project)
    await hearing(hub, slow)
    slow.reading.clear()
    for number in range(3):
        write(database, scene, str(number))
        announcer.changed(project["_id"], scene["_id"])
        await until(lambda n=number: quick.text(scene) == str(n), 0.9, "the other page shows it")  # type: ignore[misc]
    assert slow.names == ["snapshot"]
    slow.reading.set()
    await until(lambda: slow.text(scene) == "2", 0.9, "the slow page has caught up")
    assert slow.names == ["snapshot", "scene", "snapshot"]
    write(database, scene, "again")
    announcer.changed(project["_id"], scene["_id"])
    await until(lambda: slow.text(scene) == quick.text(scene) == "again", 0.9, "both are in step")


async def test_without_redis_changes_are_found_within_two_seconds(
    deaf_hub: Hub, database: Sync, project: Document
) -> None:
    kept, gone = scene_of(database, project), scene_of(database, project)
    page = Page().open(deaf_hub, project)
    await until(lambda: page.names, 2, "the snapshot")
    write(database, kept, "unheard")
    intent = {"deletion": deletion_of(gone["created_at"], 60)}
    database["scenes"].update_one({"_id": gone["_id"]}, edit(intent))
    new = scene_of(database, project)
    await until(lambda: page.text(kept) == "unheard", 2, "the change")
    assert page.versions.keys() == {kept["_id"], new["_id"]}


async def test_a_change_that_nobody_announced_is_found_all_the_same(
    hub: Hub, database: Sync, project: Document
) -> None:
    scene = scene_of(database, project)
    page = Page().open(hub, project)
    await hearing(hub, page)
    write(database, scene, "in silence")
    await until(lambda: page.text(scene) == "in silence", 7, "found")


async def test_pages_that_open_while_others_write_miss_nothing_and_never_go_back(
    hub: Hub, database: Sync, project: Document, announcer: Announcer
) -> None:
    choice = random.Random(7)
    scenes = [scene_of(database, project) for _ in range(5)]
    pages: list[Page] = []
    left: list[Page] = []
    for number in range(120):
        scene = choice.choice(scenes)
        await asyncio.to_thread(write, database, scene, str(number))
        announcer.changed(project["_id"], scene["_id"])
        if number % 3 == 0:
            pages.append(Page().open(hub, project))
        if number % 5 == 0:
            left.append(pages.pop(choice.randrange(len(pages))))
            left[-1].leave()
        if number % 40 == 0:
            scenes.append(scene_of(database, project))
            announcer.changed(project["_id"], scenes[-1]["_id"])
    stand = {scene["_id"]: scene["version"] for scene in database["scenes"].find({"project_id": project["_id"]})}
    await until(lambda: all(page.versions == stand for page in pages), 2, "each page shows what stands")
    assert [wrong for page in pages + left for wrong in page.wrong] == []


async def test_a_change_is_not_lost_where_it_comes_while_a_snapshot_is_read(
    hub: Hub, database: Sync, project: Document, announcer: Announcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, first = scene_of(database, project), Page().open(hub, project)
    await hearing(hub, first)
    read = crud_scene.list_scenes

    async def overtaken(*where: Any) -> list[Document]:
        scenes = await read(*where)
        write(database, scene, "meanwhile")
        announcer.changed(project["_id"], scene["_id"])
        await asyncio.sleep(0.3)
        return scenes

    monkeypatch.setattr(crud_scene, "list_scenes", overtaken)
    second = Page().open(hub, project)
    await until(lambda: first.text(scene) == second.text(scene) == "meanwhile", 1.5, "both show it")


async def test_a_deleted_scene_goes_and_comes_back(
    hub: Hub, database: Sync, project: Document, announcer: Announcer
) -> None:
    scene = scene_of(database, project)
    page = Page().open(hub, project)
    await hearing(hub, page)
    for deletion, there in ((deletion_of(scene["created_at"], 60), False), (None, True)):
        database["scenes"].update_one({"_id": scene["_id"]}, edit({"deletion": deletion}))
        announcer.changed(project["_id"], scene["_id"])
        await until(lambda there=there: (scene["_id"] in page.scenes) is there, 0.9, "shown")  # type: ignore[misc]
    assert page.names == ["snapshot", "scene_deleted", "scene"]


async def test_a_new_title_is_told_and_the_end_of_the_project_ends_the_stream(
    hub: Hub, async_database: Async, settings: Settings, project: Document, announcer: Announcer
) -> None:
    page = Page().open(hub, project)
    await hearing(hub, page)
    await crud_project.rename_project(async_database, WORKSPACE, project["_id"], "Another", None)
    announcer.changed(project["_id"])
    await until(lambda: page.title == "Another", 0.9, "the title")
    await crud_project.mark_project_deleted(async_database, settings, WORKSPACE, project["_id"])
    announcer.changed(project["_id"])
    await until(lambda: page.ended, 0.9, "the end")
    assert page.names == ["snapshot", "project", "project_deleted"]


async def test_what_nobody_watches_is_not_listened_to(hub: Hub, redis_url: str, project: Document) -> None:
    channel = f"takeup:changed:{project['_id']}"

    def listeners() -> int:
        return int(dict(client.pubsub_numsub(channel))[channel.encode()])

    with Redis.from_url(redis_url) as client:
        pages = [Page().open(hub, project) for _ in range(2)]
        await until(lambda: listeners() == 1, 2, "one ear for both")
        for page in pages:
            page.leave()
        await until(lambda: listeners() == 0, 2, "no ear for nobody")


async def test_the_end_of_the_hub_ends_each_stream_and_those_that_come_late(hub: Hub, project: Document) -> None:
    page = Page().open(hub, project)
    await until(lambda: page.names, 2, "the snapshot")
    hub.end()
    assert page.ended
    assert Page().open(hub, project).ended


async def test_announcing_costs_nothing_while_redis_does_not_answer() -> None:
    announcer = Announcer(NO_REDIS)
    began = time.monotonic()
    for number in range(20_000):
        announcer.changed("project", str(number))
    taken = time.monotonic() - began
    announcer.close()
    assert taken < 10, "each that waited for Redis would take half a second"

"""Resolutions: asked for once, answered once, by whoever holds the claim, and never left without an end."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.core.config import Settings
from app.core.database import Async, Document, Sync, server_now_sync
from app.core.errors import ResolutionNotFoundError, TooManyResolutionsError
from app.crud import crud_resolution
from app.crud.crud_resolution import MAX_ATTEMPTS, MAX_WAITING, PATIENCE_SECONDS
from app.models.resolution import MediaDescription, MediaFormat, Resolution, ResolutionStatus
from app.services.resolve import settle_resolutions
from tests.contract.conftest import LINK

pytestmark = pytest.mark.anyio


async def request(async_database: Async, url: str = LINK, workspace: str = "default") -> Document:
    document, new = await crud_resolution.request(async_database, workspace, url, 20)
    assert new
    return document


def read(database: Sync, resolution: Document) -> Document:
    found = database["resolutions"].find_one({"_id": resolution["_id"]})
    assert found is not None
    return found


def age(database: Sync, resolution: Document, seconds: float) -> None:
    """Let so many seconds have passed for it."""
    fields = ("created_ms", "due_ms", "expires_ms")
    present = read(database, resolution)
    older = {name: present[name] - int(seconds * 1000) for name in fields if present[name] is not None}
    database["resolutions"].update_one({"_id": resolution["_id"]}, {"$set": older})


def settle(database: Sync, settings: Settings) -> list[str]:
    rung: list[str] = []
    settle_resolutions(database, settings, rung.append)
    return rung


@pytest.mark.parametrize("second", [0, 1, 30, 59])
async def test_the_same_link_within_a_minute_is_one_resolution_of_that_workspace(
    async_database: Async, monkeypatch: pytest.MonkeyPatch, second: int
) -> None:
    now = datetime(2030, 1, 1, 12, 0, second, tzinfo=UTC)

    async def server_now(_: Async) -> datetime:
        return now

    monkeypatch.setattr(crud_resolution, "server_now", server_now)
    first = await request(async_database)
    assert (await request(async_database, workspace="other"))["_id"] != first["_id"]
    assert (await request(async_database, url=LINK + "?2"))["_id"] != first["_id"]
    for later in (0, 30, 59):
        now = datetime(2030, 1, 1, 12, 0, second, tzinfo=UTC) + timedelta(seconds=later)
        assert await crud_resolution.request(async_database, "default", LINK, 20) == (first, False)
    now = datetime(2030, 1, 1, 12, 1, second, tzinfo=UTC)
    assert (await request(async_database))["_id"] != first["_id"]


async def test_another_height_is_another_resolution(async_database: Async, database: Sync) -> None:
    async def asked(max_height: int | None) -> tuple[Document, bool]:
        return await crud_resolution.request(async_database, "default", LINK, 20, max_height=max_height)

    for height in (None, 720, 360):
        first, new = await asked(height)
        assert new
        assert await asked(height) == (first, False)
        assert Resolution.from_document(first).max_height == height
        claim = crud_resolution.claim(database, first["_id"], 70)
        assert claim is not None
        assert claim.max_height == height


async def test_two_who_ask_at_once_make_one_resolution(async_database: Async, database: Sync) -> None:
    asked = [crud_resolution.request(async_database, "default", LINK, 20) for _ in range(8)]
    answers = await asyncio.gather(*asked)
    assert sum(new for _, new in answers) == 1
    assert {document["_id"] for document, _ in answers} == {answers[0][0]["_id"]}
    assert database["resolutions"].count_documents({}) == 1


async def test_a_resolution_is_its_workspaces_alone_and_ends_with_its_time(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    made = await request(async_database)
    assert await crud_resolution.get_resolution(async_database, "default", made["_id"]) == made
    with pytest.raises(ResolutionNotFoundError):
        await crud_resolution.get_resolution(async_database, "other", made["_id"])
    age(database, made, 899)
    assert crud_resolution.forget_expired(database, server_now_sync(database)) == 0
    age(database, made, 1)
    with pytest.raises(ResolutionNotFoundError):
        await crud_resolution.get_resolution(async_database, "default", made["_id"])
    settle(database, settings)
    assert database["resolutions"].count_documents({}) == 0


async def test_only_so_many_wait_for_their_answer(async_database: Async, database: Sync) -> None:
    waiting = [await request(async_database, f"{LINK}?{n}") for n in range(MAX_WAITING)]
    with pytest.raises(TooManyResolutionsError):
        await crud_resolution.request(async_database, "default", f"{LINK}?more", 20)
    assert await crud_resolution.request(async_database, "default", waiting[0]["url"], 20) == (waiting[0], False)
    await request(async_database, f"{LINK}?more", workspace="other")
    claim = crud_resolution.claim(database, waiting[0]["_id"], 70)
    assert claim is not None
    assert crud_resolution.answer(database, claim, ResolutionStatus.RESOLVED, None, None)
    await request(async_database, f"{LINK}?more")


async def test_one_worker_answers_and_what_it_found_is_read_as_it_was_written(
    async_database: Async, database: Sync
) -> None:
    made = await request(async_database)
    claim = crud_resolution.claim(database, made["_id"], 70)
    assert claim is not None
    assert crud_resolution.claim(database, made["_id"], 70) is None
    formats = [MediaFormat(id="18", height=360, fps=29.97, stored=True), MediaFormat(id="22", bytes=1 << 40)]
    media = MediaDescription(title="Hafen \U0001f305", kind="video", duration_s=5.0, entries=2, formats=formats)
    assert crud_resolution.answer(database, claim, ResolutionStatus.RESOLVED, media.model_dump(), None)
    assert not crud_resolution.answer(database, claim, ResolutionStatus.FAILED, None, None)
    assert crud_resolution.claim(database, made["_id"], 70) is None
    shown = Resolution.from_document(await crud_resolution.get_resolution(async_database, "default", made["_id"]))
    assert (shown.status, shown.available, shown.media) == ("resolved", True, media)


async def test_what_nobody_took_up_is_rung_for_again_and_given_up_at_last(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    made = await request(async_database)
    assert settle(database, settings) == []
    age(database, made, 21)
    assert settle(database, settings) == [made["_id"]]
    assert settle(database, settings) == []
    age(database, made, PATIENCE_SECONDS)
    assert crud_resolution.claim(database, made["_id"], 70) is None
    assert settle(database, settings) == []
    ended = read(database, made)
    assert (ended["status"], ended["error"]["code"]) == ("failed", "resolve.unanswered")
    assert settle(database, settings) == []


async def test_a_dead_workers_resolution_is_taken_up_once_more(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    made = await request(async_database)
    dead = crud_resolution.claim(database, made["_id"], 70)
    assert dead is not None
    age(database, made, 69)
    assert settle(database, settings) == []
    age(database, made, 1)
    assert settle(database, settings) == [made["_id"]]
    for attempt in range(2, MAX_ATTEMPTS + 1):
        claim = crud_resolution.claim(database, made["_id"], 70)
        assert claim is not None
        assert claim.attempt == attempt
        age(database, made, 70)
        settle(database, settings)
    ended = read(database, made)
    assert (ended["status"], ended["error"]["code"]) == ("failed", "worker.crashed")
    assert not crud_resolution.answer(database, dead, ResolutionStatus.RESOLVED, None, None)


async def test_a_worker_that_was_thought_dead_writes_nothing_over_the_next_ones(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    made = await request(async_database)
    slow = crud_resolution.claim(database, made["_id"], 70)
    assert slow is not None
    age(database, made, 71)
    settle(database, settings)
    assert not crud_resolution.answer(database, slow, ResolutionStatus.FAILED, None, None)
    assert crud_resolution.claim(database, made["_id"], 70) is not None
    assert not crud_resolution.answer(database, slow, ResolutionStatus.FAILED, None, None)
    assert not crud_resolution.give_back(database, slow, 0)
    assert read(database, made)["status"] == "resolving"

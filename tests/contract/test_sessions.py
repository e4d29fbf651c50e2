"""A browser's session: what it opens, for how long, and what ends it."""

from datetime import timedelta

import pytest

from app.core.config import Settings
from app.core.database import Async, Sync, server_now_sync
from app.core.security import hash_secret
from app.crud import crud_api_key, crud_session
from app.crud.crud_session import Caller
from app.models.media import milliseconds
from app.services.reconcile import reconcile

pytestmark = pytest.mark.anyio


async def signed_in(async_database: Async, database: Sync, name: str = "laptop") -> tuple[Caller, str]:
    """A caller by a session of a new key, and its token."""
    key = crud_api_key.create_key(database, name, "studio")
    by_key = await crud_session.caller_with_key(async_database, key)
    assert by_key is not None
    token = await crud_session.open_session(async_database, by_key, 30)
    caller = await crud_session.caller_with_session(async_database, token)
    assert caller is not None
    return caller, token


async def test_a_session_is_its_key_to_whoever_holds_the_token(async_database: Async, database: Sync) -> None:
    caller, token = await signed_in(async_database, database)
    assert (caller.workspace, caller.key_name) == ("studio", "laptop")
    assert await crud_session.caller_with_session(async_database, token + "x") is None
    assert await crud_session.caller_with_key(async_database, token) is None
    [session] = database["sessions"].find()
    assert token not in str(session)
    assert session["_id"] == caller.session_id == hash_secret(token)


async def test_signing_out_ends_one_session_and_revoking_all_of_the_key(async_database: Async, database: Sync) -> None:
    caller, token = await signed_in(async_database, database)
    second = await crud_session.open_session(async_database, caller, 30)
    other, others_token = await signed_in(async_database, database, "phone")
    await crud_session.end_session(async_database, token)
    assert await crud_session.caller_with_session(async_database, token) is None
    assert await crud_session.caller_with_session(async_database, second) is not None
    crud_api_key.revoke_key(database, "laptop")
    assert await crud_session.caller_with_session(async_database, second) is None
    assert await crud_session.caller_with_session(async_database, others_token) == other
    assert [session["_id"] for session in database["sessions"].find()] == [other.session_id]


async def test_a_session_whose_key_vanished_opens_nothing(async_database: Async, database: Sync) -> None:
    _, token = await signed_in(async_database, database)
    database["api_keys"].delete_many({})
    assert await crud_session.caller_with_session(async_database, token) is None


def no_ring(scene_id: str, generation: int) -> None:
    raise AssertionError(f"nothing waits, but {scene_id} was rung for")


async def test_a_session_ends_with_its_time_and_is_forgotten_after_it(
    async_database: Async, database: Sync, settings: Settings
) -> None:
    caller, token = await signed_in(async_database, database)
    now = server_now_sync(database)
    assert crud_session.forget_expired(database, now + timedelta(days=29)) == 0
    database["sessions"].update_one({"_id": caller.session_id}, {"$set": {"expires_ms": milliseconds(now, -1)}})
    assert await crud_session.caller_with_session(async_database, token) is None
    assert await crud_session.find_shut_out(async_database, {caller}) == {caller}
    reconcile(database, settings, ring=no_ring, ring_first=no_ring, waiting_messages=0)
    assert database["sessions"].count_documents({}) == 0


async def test_who_would_not_be_let_in_again_is_found(async_database: Async, database: Sync) -> None:
    anybody = Caller("default")
    assert await crud_session.find_shut_out(async_database, {anybody}) == set()
    by_session, token = await signed_in(async_database, database)
    by_key = Caller("studio", by_session.key_id, by_session.key_name)
    assert await crud_session.find_shut_out(async_database, {anybody, by_session, by_key}) == {anybody}
    await crud_session.end_session(async_database, token)
    assert await crud_session.find_shut_out(async_database, {by_session, by_key}) == {by_session}
    crud_api_key.revoke_key(database, "laptop")
    assert await crud_session.find_shut_out(async_database, {anybody, by_session, by_key}) == {by_session, by_key}

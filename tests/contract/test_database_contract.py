"""Every operator that crud relies on, proved against the database that is in use."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from app.core.database import INDEXES, Async, Sync, ensure_indexes, server_now, server_now_sync
from app.core.errors import IdempotencyInProgressError, IdempotencyKeyReusedError
from app.crud import crud_api_key, crud_backlog, crud_idempotency, crud_lease, crud_monitor, crud_scene
from app.crud.crud_deletion import due_deletions
from app.models.media import Status, milliseconds, moment_of
from tests.contract.conftest import WORKSPACE, insert_scene, lease, read_scene

HOUR = timedelta(hours=1)


def things(database: Sync) -> Any:
    return database["things"]


def ids(cursor: Any) -> list[Any]:
    return [document["_id"] for document in cursor]


def test_one_of_eight_claims_wins_each_time(database: Sync) -> None:
    for _ in range(5):
        scene = insert_scene(database, Status.QUEUED)
        with ThreadPoolExecutor(8) as pool:
            tries = [pool.submit(crud_lease.claim, database, scene["_id"], 1, f"w{n}", 30) for n in range(8)]
            won = [claim for one in tries if (claim := one.result())]
        assert len(won) == 1
        media = read_scene(database, scene["_id"])["media"]
        assert (media["attempt"], media["lease"]["worker"]) == (1, won[0].worker)


def test_simultaneous_find_and_modify_hands_each_document_out_once(database: Sync) -> None:
    things(database).insert_many([{"_id": n, "order": -n, "taken": False} for n in range(40)])

    def take(_: int) -> Any:
        return things(database).find_one_and_update(
            {"taken": False}, {"$set": {"taken": True}, "$inc": {"n": 1}}, sort=[("order", ASCENDING)]
        )["_id"]

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, range(40)))
    assert sorted(taken) == list(range(40))
    assert things(database).find_one_and_update({"taken": False}, {"$set": {"n": 9}}) is None


def test_find_and_modify_returns_the_document_as_it_became(database: Sync) -> None:
    things(database).insert_one({"_id": 1, "n": 1})
    after = things(database).find_one_and_update({"n": 1}, {"$inc": {"n": 1}}, return_document=ReturnDocument.AFTER)
    assert after == {"_id": 1, "n": 2}


@pytest.mark.parametrize("path", ["media.due_ms", "media.lease.expires_ms", "sweep.at_ms", "deletion.purge_ms"])
def test_moment_ahead_is_a_number_that_is_found_by_its_size(database: Sync, path: str) -> None:
    scene, _ = insert_scene(database, Status.QUEUED), insert_scene(database, Status.READY)
    at_ms = milliseconds(datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC))
    field, name = path.rsplit(".", 1)
    value = {"media.due_ms": at_ms} if field == "media" else {field: {"token": "t", name: at_ms}}
    database["scenes"].update_one({"_id": scene["_id"]}, {"$set": value})
    found = database["scenes"].find({path: {"$lte": at_ms, "$gt": 0}}).sort([(path, ASCENDING)])
    assert ids(found) == [scene["_id"]]
    for condition, count in (({"$lte": at_ms - 1}, 0), ({"$gt": at_ms - 1}, 1), ({"$gt": at_ms}, 0), (at_ms, 1)):
        assert database["scenes"].count_documents({"_id": scene["_id"], path: condition}) == count


def test_number_of_a_moment_leads_back_to_it() -> None:
    at = datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC)
    assert moment_of(milliseconds(at)) == at
    assert moment_of(milliseconds(at, 1.5)) == at + timedelta(seconds=1.5)


def test_date_in_a_sub_document_that_is_set_whole_is_a_date(database: Sync) -> None:
    scene = insert_scene(database, Status.DOWNLOADING)
    held = lease(datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC), 30)
    database["scenes"].update_one({"_id": scene["_id"]}, {"$set": {"media.lease": held}})
    found = read_scene(database, scene["_id"])["media"]["lease"]
    assert found == held
    assert found["started_at"].utcoffset() == timedelta(0)


def test_date_in_an_inserted_document_is_a_date_at_every_depth(database: Sync) -> None:
    at = datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC)
    things(database).insert_one({"_id": 1, "at": at, "in": {"at": at, "deep": [{"at": at}]}})
    assert things(database).find_one({"_id": 1}) == {"_id": 1, "at": at, "in": {"at": at, "deep": [{"at": at}]}}
    assert things(database).count_documents({"at": {"$lte": at}, "in.at": {"$lte": at}}) == 1


def test_bare_date_given_to_set_is_stored_as_text(database: Sync) -> None:
    at = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    things(database).insert_one({"_id": 1, "at": None})
    things(database).update_one({"_id": 1}, {"$set": {"at": at}})
    stored = things(database).find_one({"_id": 1})["at"]
    if isinstance(stored, datetime):
        pytest.skip("this server stores a bare date right, as a real MongoDB does")
    assert isinstance(stored, str)


def test_attempts_with_dates_in_an_array_are_read_back_as_dates(database: Sync) -> None:
    scene = insert_scene(database, Status.QUEUED)
    at = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
    record = {"n": 1, "started_at": at, "ended_at": at + HOUR}
    database["scenes"].update_one({"_id": scene["_id"]}, {"$set": {"media.attempts": [record]}})
    assert read_scene(database, scene["_id"])["media"]["attempts"] == [record]


def test_null_matches_null_and_missing_but_no_value(database: Sync) -> None:
    things(database).insert_many([{"_id": 1, "deletion": None}, {"_id": 2}, {"_id": 3, "deletion": {"at": 1}}])
    assert sorted(ids(things(database).find({"deletion": None}))) == [1, 2]


def test_not_null_matches_a_value_but_not_null(database: Sync) -> None:
    # A missing field is left out: the embedded server matches it too, and every document has the fields asked for.
    things(database).insert_many([{"_id": 1, "deletion": None}, {"_id": 3, "deletion": {"at": 1}}])
    assert ids(things(database).find({"deletion": {"$ne": None}})) == [3]


@pytest.mark.parametrize("status", [Status.DOWNLOADING, {"$in": ["downloading", "x"]}, {"$nin": ["queued"]}])
@pytest.mark.parametrize("path", ["media.lease.expires_ms", "media.status_at"])
def test_filter_for_living_scenes_goes_with_states_and_moments(database: Sync, status: Any, path: str) -> None:
    # The embedded server finds nothing where a bare null stands beside $in and a comparison.
    scene = insert_scene(database, Status.DOWNLOADING)
    insert_scene(database, Status.DOWNLOADING, deleted=True)
    now = server_now_sync(database) + HOUR
    late: Any = milliseconds(now) if path.endswith("_ms") else now
    wanted = {**crud_scene.ALIVE, "media.status": status, path: {"$lte": late}}
    assert ids(database["scenes"].find(wanted)) == [scene["_id"]]
    assert database["scenes"].update_one(wanted, {"$set": {"text": "seen"}}).matched_count == 1
    assert ids(database["scenes"].find({**wanted, path: {"$gt": late}})) == []


def test_current_date_is_the_servers_time_at_each_named_path(database: Sync) -> None:
    scene = insert_scene(database, Status.QUEUED, status_at=None)
    before = server_now_sync(database)
    assert crud_scene.update_scene_status_sync(database, {"_id": scene["_id"]}, Status.RESOLVING)
    after = read_scene(database, scene["_id"])
    slack = timedelta(seconds=1)
    for at in (after["media"]["status_at"], after["updated_at"]):
        assert before - slack <= at <= server_now_sync(database) + slack
    assert after["version"] == scene["version"] + 1


def test_in_and_or_select_each_alternative(database: Sync) -> None:
    things(database).insert_many([{"_id": n, "a": {"s": "xyz"[n]}, "n": n} for n in range(3)])
    assert sorted(ids(things(database).find({"a.s": {"$in": ["x", "z"]}}))) == [0, 2]
    either = {"$or": [{"a.s": "x"}, {"a.s": "y", "n": {"$lte": 0}}, {"n": {"$gt": 1}}]}
    assert sorted(ids(things(database).find(either))) == [0, 2]
    assert ids(things(database).find({"a.s": {"$in": []}})) == []


def test_sort_and_limit_work_on_nested_fields(database: Sync) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    days = [3, 1, 4, 0, 5]
    things(database).insert_many([{"_id": n, "media": {"at": at + timedelta(days=n)}} for n in days])
    ordered = things(database).find().sort([("media.at", ASCENDING)])
    assert ids(ordered.limit(3)) == [0, 1, 3]
    assert ids(things(database).find().sort([("media.at", DESCENDING), ("_id", ASCENDING)]).limit(2)) == [5, 4]
    assert things(database).find_one({}, sort=[("media.at", DESCENDING)])["_id"] == 5


def test_projection_gives_the_id_and_the_named_field_alone(database: Sync) -> None:
    things(database).insert_one({"_id": "a", "version": 7, "media": {"status": "ready"}})
    assert list(things(database).find({}, {"version": 1})) == [{"_id": "a", "version": 7}]
    assert things(database).find_one({"media.status": "ready"}, {"_id": 1}) == {"_id": "a"}


def test_counts_of_many_writes_are_right(database: Sync) -> None:
    things(database).insert_many([{"_id": n, "even": n % 2 == 0} for n in range(600)])
    updated = things(database).update_many({"even": True}, {"$set": {"media.seen": True}, "$inc": {"version": 1}})
    assert (updated.matched_count, things(database).count_documents({"media.seen": True})) == (300, 300)
    assert things(database).delete_many({"even": True}).deleted_count == 300
    assert things(database).update_one({"_id": 0}, {"$set": {"x": 1}}).matched_count == 0
    assert things(database).delete_one({"_id": 1, "even": True}).deleted_count == 0
    assert len(list(things(database).find())) == 300


def test_same_id_twice_is_refused(database: Sync) -> None:
    things(database).insert_one({"_id": "a", "n": 1})
    with pytest.raises(DuplicateKeyError):
        things(database).insert_one({"_id": "a", "n": 2})
    assert things(database).find_one({"_id": "a"})["n"] == 1


def test_offset_of_the_clock_is_read_from_hello(database: Sync) -> None:
    hello = database.client.admin.command("hello", codec_options=database.codec_options)
    assert abs(hello["localTime"] - server_now_sync(database)) < timedelta(seconds=2)
    assert server_now_sync(database).utcoffset() == timedelta(0)


@pytest.mark.anyio
async def test_indexes_are_made_once_and_then_left_alone(async_database: Async, database: Sync) -> None:
    await ensure_indexes(async_database)
    first = {name: database[name].index_information() for name in INDEXES}
    await ensure_indexes(async_database)
    assert {name: database[name].index_information() for name in INDEXES} == first
    for name, fields in INDEXES.items():
        made = [list(index["key"]) for index in first[name].values()]
        assert all([(field, ASCENDING)] in made for field in fields), made


@pytest.mark.anyio
async def test_selections_are_the_same_with_indexes(async_database: Async, database: Sync) -> None:
    await ensure_indexes(async_database)
    at_rest = insert_scene(database, Status.READY)
    crud_backlog.note_sweep(database, at_rest["_id"], server_now_sync(database))
    insert_scene(database, Status.READY)
    gone = insert_scene(database, Status.READY, deleted=True)
    waiting, running = insert_scene(database, Status.QUEUED), insert_scene(database, Status.DOWNLOADING)
    now = server_now_sync(database)
    assert ids(crud_backlog.due_sweeps(database, now + HOUR, 10)) == [at_rest["_id"]]
    assert ids(due_deletions(database, now, 10)) == [gone["_id"]]
    assert ids(crud_backlog.waiting_too_long(database, now, 10)) == [waiting["_id"]]
    assert ids(crud_backlog.expired_leases(database, now, 10)) == [running["_id"]]
    assert await server_now(async_database) >= gone["deletion"]["at"]


@pytest.mark.anyio
async def test_overview_counts_states_and_codes(async_database: Async, database: Sync) -> None:
    for status in (Status.QUEUED, Status.QUEUED, Status.READY, None):
        insert_scene(database, status)
    insert_scene(database, Status.READY, deleted=True)
    for code in ("link.not_found", "link.not_found", "internal"):
        insert_scene(database, Status.FAILED, error={"code": code})
    overview = await crud_monitor.count_scenes(async_database, WORKSPACE)
    assert overview.scenes == {"queued": 2, "ready": 1, "failed": 3}
    assert overview.failures == {"link.not_found": 2, "internal": 1}
    assert (overview.waiting, overview.active) == (2, 0)
    assert overview.oldest_wait_s is not None
    assert (await crud_monitor.count_scenes(async_database, "another")).scenes == {}


@pytest.mark.anyio
async def test_answer_is_kept_under_its_key_for_the_same_request_alone(async_database: Async, database: Sync) -> None:
    answer = crud_idempotency.KeptAnswer(201, "application/json", "{}")
    assert await crud_idempotency.begin(async_database, "key", "one") is None
    with pytest.raises(IdempotencyInProgressError):
        await crud_idempotency.begin(async_database, "key", "one")
    await crud_idempotency.keep(async_database, "key", answer)
    assert await crud_idempotency.begin(async_database, "key", "one") == answer
    with pytest.raises(IdempotencyKeyReusedError):
        await crud_idempotency.begin(async_database, "key", "another")
    now = server_now_sync(database)
    assert crud_backlog.forget_idempotency_keys(database, now - HOUR) == 0
    assert crud_backlog.forget_idempotency_keys(database, now + HOUR) == 1
    assert await crud_idempotency.begin(async_database, "key", "another") is None


@pytest.mark.anyio
async def test_key_opens_its_workspace_until_it_is_revoked(async_database: Async, database: Sync) -> None:
    key = crud_api_key.create_key(database, "phone", "studio")
    found = await crud_api_key.find_key(async_database, key)
    assert found is not None
    assert (found["name"], found["workspace"]) == ("phone", "studio")
    assert await crud_api_key.find_key(async_database, key + "x") is None
    assert crud_api_key.revoke_key(database, "phone") == 1
    assert await crud_api_key.any_key(async_database) is False

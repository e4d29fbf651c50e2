"""Questions that are asked all the time are answered by an index, however many scenes there are."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from pymongo import ASCENDING, IndexModel
from pymongo.cursor import Cursor

from app.core.database import INDEXES, Document, Sync, server_now_sync
from app.crud import crud_backlog, crud_deletion, crud_monitor, crud_resolution
from app.crud.crud_scene import ALIVE
from app.models.media import Status
from tests.contract.conftest import insert_scene

Ask = Callable[[Sync], Iterator[Document]]

QUESTIONS: dict[str, Ask] = {
    "who waits too long": lambda database: crud_backlog.waiting_too_long(database, server_now_sync(database), 500),
    "whose lease expired": lambda database: crud_backlog.expired_leases(database, server_now_sync(database), 500),
    "what must be swept": lambda database: crud_backlog.due_sweeps(database, server_now_sync(database), 500),
    "what is deleted for good": lambda database: crud_deletion.due_deletions(database, server_now_sync(database), 500),
    "what workers hold": lambda database: iter(database["scenes"].find(crud_monitor.held_by_workers("w"))),
    "what was stored of late": lambda database: iter(database["scenes"].find(crud_monitor.stored_within("w", 7))),
    "what has no answer": lambda database: crud_resolution.without_answer(database, server_now_sync(database), 500),
    "a project's scenes": lambda database: iter(database["scenes"].find({"project_id": "p", **ALIVE})),
}


@pytest.fixture
def indexed(database: Sync) -> Sync:
    insert_scene(database, Status.QUEUED)
    for collection, fields in INDEXES.items():
        database[collection].create_indexes([IndexModel([(field, ASCENDING)]) for field in fields])
    return database


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_question_is_answered_by_an_index(indexed: Sync, question: str) -> None:
    cursor = cast("Cursor[Any]", QUESTIONS[question](indexed))
    plan = str(cursor.explain()["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in plan or "USING INDEX" in plan, plan
    assert "COLLSCAN" not in plan
    assert "SCAN scenes" not in plan

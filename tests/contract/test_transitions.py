"""Which state may follow which, said a second time: by what each operation makes of each state, and pair by pair."""

from asyncio import Runner
from collections.abc import Iterator

import pytest

from app.core.config import Settings
from app.core.database import Sync, connect_async
from app.crud.crud_scene import update_scene_status_sync
from app.models.media import Status
from tests.contract import operations
from tests.contract.conftest import insert_scene, read_scene
from tests.contract.operations import NO_MEDIA, Operation, Servers, advance, outcome
from tests.contract.states import ACTIVE, FOLLOWS, STATES

SOURCES = [*STATES, NO_MEDIA]

EXPECTED: list[tuple[str, Operation, dict[str, str]]] = [
    # Asking for a link that is on its way or stored queues nothing a second time.
    (
        "store",
        operations.store,
        {"queued anew": "pending failed canceled", "left as it is": f"queued {ACTIVE} retrying ready"},
    ),
    ("force", operations.force, {"queued anew": f"pending queued {ACTIVE} ready retrying failed canceled"}),
    (
        "store another link",
        operations.store_another_link,
        {"queued anew": f"pending queued {ACTIVE} ready retrying failed canceled no_media"},
    ),
    # What is stored is fetched anew by force alone.
    (
        "retry",
        operations.retry,
        {"queued anew": "pending retrying failed canceled", "left as it is": f"queued {ACTIVE}"},
    ),
    ("cancel", operations.cancel, {"canceled": f"queued retrying {ACTIVE}", "left as it is": "canceled"}),
    # A link may change at any time.
    (
        "set link",
        operations.set_link,
        {"pending anew": f"pending queued {ACTIVE} ready retrying failed canceled no_media"},
    ),
    (
        "set the same link",
        operations.set_same_link,
        {"left as it is": f"pending queued {ACTIVE} ready retrying failed canceled", "pending anew": "no_media"},
    ),
    (
        "remove link",
        operations.remove_link,
        {
            "no media": f"pending queued {ACTIVE} ready retrying failed canceled",
            "left as it is": "no_media",
        },
    ),
    # The worker of a deleted scene has stopped; who was waiting goes on waiting.
    (
        "delete and restore",
        operations.delete_and_restore,
        {"queued anew": ACTIVE, "left as it is": "pending queued ready retrying failed canceled no_media"},
    ),
    ("claim", operations.claim, {"resolving": "queued retrying"}),
    ("download", advance(Status.DOWNLOADING), {"downloading": "resolving"}),
    ("commit", advance(Status.UPLOADING), {"uploading": "downloading"}),
    # From resolving, where an earlier attempt had stored the file.
    ("process", advance(Status.PROCESSING), {"processing": "resolving uploading"}),
    ("end ready", operations.end_ready, {"ready": "processing"}),
    ("end failed", operations.end_failed, {"failed": ACTIVE}),
    ("end for now", operations.end_retrying, {"retrying": ACTIVE}),
    ("give back", operations.give_back, {"queued": ACTIVE}),
    ("hold back", operations.hold_back, {"retrying": "queued retrying"}),
    ("crash", operations.crash, {"queued": ACTIVE}),
    ("crash at the cap", operations.crash_at_the_cap, {"failed": ACTIVE}),
    ("forgotten", operations.forgotten, {"queued anew": "pending"}),
]
"""What becomes of the sources that are named; every other is refused, and left as it is."""


@pytest.fixture(scope="module")
def servers(shared_database: Sync, settings: Settings) -> Iterator[Servers]:
    own = settings.model_copy(update={"mongodb_database": shared_database.name})
    with Runner() as runner:

        async def connect() -> Servers:
            return Servers(shared_database, connect_async(own), runner, own)

        servers = runner.run(connect())
        yield servers
        runner.run(servers.api.client.close())


@pytest.mark.parametrize(
    ("operation", "expected"),
    [(operation, expected) for _, operation, expected in EXPECTED],
    ids=[e[0] for e in EXPECTED],
)
def test_operation_makes_of_each_state_what_one_expects(
    servers: Servers, operation: Operation, expected: dict[str, str]
) -> None:
    words = {source: word for word, sources in expected.items() for source in sources.split()}
    wanted = {source: words.pop(source.replace(" ", "_"), "refused") for source in SOURCES}
    assert words == {}
    assert {source: outcome(servers, operation, source) for source in SOURCES} == wanted


@pytest.mark.parametrize("source", STATES)
def test_door_lets_through_what_may_follow_and_nothing_else(shared_database: Sync, source: str) -> None:
    written = []
    for target in STATES:
        scene = insert_scene(shared_database, Status(source))
        if update_scene_status_sync(shared_database, {"_id": scene["_id"]}, Status(target)):
            written.append(target)
        after = read_scene(shared_database, scene["_id"])
        assert after["media"]["status"] == (target if target in written else source)
        assert after["version"] == scene["version"] + (target in written)
    assert written == sorted(FOLLOWS[source].split(), key=STATES.index)


def test_no_state_is_left_out() -> None:
    assert sorted(STATES) == sorted(FOLLOWS) == sorted(Status)

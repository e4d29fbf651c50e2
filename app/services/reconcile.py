"""The promise behind the bell: whatever waits too long is rung for again. It asks the database alone."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from logging import getLogger

from app.core.config import Settings
from app.core.database import Document, Sync, server_now_sync
from app.core.redis import Changed, unannounced
from app.crud import crud_backlog, crud_session
from app.crud.crud_hold import BUCKET, find_holds, forget_old, held_until_ms
from app.crud.crud_project import finish_project_deletions
from app.models.media import Status, milliseconds

_BATCH = 500
"""Most scenes of one kind that one round looks at, and most messages that it leaves waiting in the broker."""

_KEEP_ANSWERS = timedelta(hours=24)

log = getLogger(__name__)

Ring = Callable[[str, int], object]


def reconcile(
    database: Sync,
    settings: Settings,
    *,
    ring: Ring,
    ring_first: Ring,
    waiting_messages: int,
    changed: Changed = unannounced,
) -> None:
    """One round.

    `ring` sends a scene's message, of which the broker holds `waiting_messages` already; `ring_first` sends that of a
    scene whose worker died, and which has waited in the backlog before. `changed` hears of every change.
    Rounds may overlap, be late or be killed: each step is a conditional write, and a message too many is dropped by
    the claim.
    """
    now = server_now_sync(database)
    due_ms = milliseconds(now, settings.takeup_claim_grace_seconds)
    crashed = list(_end_crashed(database, now, due_ms, changed))
    held = held_until_ms(find_holds(database, [BUCKET]).get(BUCKET), now)
    room = 0 if held else max(0, _BATCH - waiting_messages)
    for scene in crashed:
        ring_first(scene["_id"], scene["media"]["generation"])
    rung = _ring_for(database, crud_backlog.waiting_too_long(database, now, room), ring, due_ms, changed)
    if crashed or rung:
        log.info("rang for %d scenes after a crash, and for %d that waited", len(crashed), rung)
    finish_project_deletions(database)
    crud_backlog.forget_idempotency_keys(database, now - _KEEP_ANSWERS)
    crud_session.forget_expired(database, now)
    forget_old(database, now - _KEEP_ANSWERS)


def _end_crashed(database: Sync, now: datetime, due_ms: int, changed: Changed) -> Iterator[Document]:
    """End the attempts whose lease has expired; the scenes that wait again."""
    for scene in crud_backlog.expired_leases(database, now, _BATCH):
        target = crud_backlog.end_crashed_attempt(database, scene, now, due_ms)
        if target is not None:
            changed(scene["project_id"], scene["_id"])
        if target is Status.QUEUED:
            yield scene


def _ring_for(database: Sync, scenes: Iterable[Document], ring: Ring, due_ms: int, changed: Changed) -> int:
    """Send each scene's message, a link that nobody asked to store being queued first; how many were sent."""
    count = 0
    for scene in scenes:
        generation = scene["media"]["generation"]
        if scene["media"]["status"] == Status.PENDING:
            generation = crud_backlog.queue_forgotten(database, scene, due_ms)
            changed(scene["project_id"], scene["_id"])
        if generation is not None:
            ring(scene["_id"], generation)
            count += 1
    return count

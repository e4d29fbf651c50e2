"""The promise behind the bell: whatever waits too long is rung for again. It asks the database alone."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import chain
from logging import getLogger

from app.core.config import Settings
from app.core.database import Document, Sync, server_now_sync
from app.crud import crud_backlog
from app.crud.crud_project import finish_project_deletions
from app.models.media import Status

_BATCH = 500
"""Most scenes of one kind that one round looks at, and most messages that it leaves waiting in the broker."""

_KEEP_ANSWERS = timedelta(hours=24)

log = getLogger(__name__)

Ring = Callable[[str, int], object]


def reconcile(database: Sync, settings: Settings, ring: Ring, waiting_messages: int) -> None:
    """One round. `ring` sends a scene's message; `waiting_messages` is how many the broker holds already.

    Rounds may overlap, be late or be killed: each step is a conditional write, and a message too many is dropped by
    the claim.
    """
    now = server_now_sync(database)
    crashed = [
        scene
        for scene in crud_backlog.expired_leases(database, now, _BATCH)
        if crud_backlog.end_crashed_attempt(database, scene, now) is Status.QUEUED
    ]
    pending_for = settings.takeup_pending_grace_seconds
    for scene in crud_backlog.forgotten(database, now, pending_for, _BATCH):
        if crud_backlog.queue_forgotten(database, scene):
            ring(scene["_id"], scene["media"]["generation"] + 1)
    room = max(0, _BATCH - waiting_messages)
    waiting = chain(
        crashed,
        crud_backlog.due_retries(database, now, room),
        crud_backlog.unclaimed(database, now, settings.takeup_claim_grace_seconds, room),
    )
    if rung := _ring_for(waiting, ring):
        log.info("rang for %d scenes, %d of them after a crash", rung, len(crashed))
    finish_project_deletions(database)
    crud_backlog.forget_idempotency_keys(database, now - _KEEP_ANSWERS)


def _ring_for(scenes: Iterable[Document], ring: Ring) -> int:
    count = 0
    for scene in scenes:
        ring(scene["_id"], scene["media"]["generation"])
        count += 1
    return count

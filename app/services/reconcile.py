"""The promise behind the bell: whatever waits too long is rung for again, and what was left is finished."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import chain
from logging import getLogger

from app.core.config import Settings
from app.core.database import Document, Sync, server_now_sync
from app.core.media_errors import MediaError
from app.crud import crud_backlog
from app.crud.crud_project import finish_project_deletions
from app.models.media import Status
from app.services.storage.bucket import Bucket
from app.services.sweep import finish_deletion, sweep_scene

_BATCH = 500
"""Most scenes of one kind that one round looks at, and most messages that it leaves waiting in the broker."""

_KEEP_ANSWERS = timedelta(hours=24)

log = getLogger(__name__)

Ring = Callable[[str, int], object]


def reconcile(database: Sync, bucket: Bucket, settings: Settings, ring: Ring, waiting_messages: int) -> None:
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
    _finish_leftovers(database, bucket)
    crud_backlog.forget_idempotency_keys(database, now - _KEEP_ANSWERS)


def _ring_for(scenes: Iterable[Document], ring: Ring) -> int:
    count = 0
    for scene in scenes:
        ring(scene["_id"], scene["media"]["generation"])
        count += 1
    return count


def _finish_leftovers(database: Sync, bucket: Bucket) -> None:
    """Deletions and sweeps; a bucket that does not answer leaves them for the next round."""
    now = server_now_sync(database)
    try:
        for scene in crud_backlog.deletions(database, _BATCH):
            finish_deletion(database, bucket, scene, now)
        finish_project_deletions(database)
        for scene in crud_backlog.due_sweeps(database, now, _BATCH):
            sweep_scene(database, bucket, scene["project_id"], scene["_id"])
            crud_backlog.clear_sweep(database, scene)
    except MediaError as error:
        log.warning("cleaning up waits for the bucket: %s", error)

"""The tasks that finish what was left: rung by beat, harmless when two run at once.

`reconcile_task` has the maintenance worker for itself; what waits for the bucket is done by the download workers, so
that a slow bucket holds no rescue up.
"""

from app.core.celery_app import CLEANING_QUEUE, MEDIA_QUEUE, celery_app
from app.core.config import get_settings
from app.core.database import worker_database
from app.core.redis import worker_announcer
from app.services.reconcile import reconcile
from app.services.resolve import settle_resolutions
from app.services.storage.bucket import worker_bucket
from app.services.sweep import abort_unowned_uploads, clean_up, sweep_disk, sweep_once
from app.tasks.media_tasks import download_media_task, resolve_media_task, ring_first


def _waiting_messages(queue: str) -> int:
    """How many messages wait in that queue of the broker."""
    with celery_app.connection_for_read() as connection, connection.channel() as channel:
        return int(channel.queue_declare(queue, durable=True).message_count)


@celery_app.task(ignore_result=True)  # type: ignore[untyped-decorator]
def reconcile_task() -> None:
    """Ring again for every scene that waits too long, and for cleaning up where nothing of that waits already."""
    waiting = _waiting_messages(MEDIA_QUEUE)
    reconcile(
        worker_database(),
        get_settings(),
        ring=download_media_task.delay,
        ring_first=ring_first,
        waiting_messages=waiting,
        changed=worker_announcer().changed,
    )
    settle_resolutions(worker_database(), get_settings(), ring=resolve_media_task.delay)
    if not _waiting_messages(CLEANING_QUEUE):
        clean_up_task.delay()


@celery_app.task(ignore_result=True)  # type: ignore[untyped-decorator]
def clean_up_task() -> None:
    """Finish deletions and sweeps, and clear the scratch disk of the machine that this runs on."""
    clean_up(worker_database(), worker_bucket())
    sweep_disk(worker_database(), get_settings().scratch_dir)


@celery_app.task(ignore_result=True)  # type: ignore[untyped-decorator]
def sweep_scene_task(scene_id: str) -> None:
    """Remove what the scene left behind."""
    sweep_once(worker_database(), worker_bucket(), scene_id)


@celery_app.task(ignore_result=True)  # type: ignore[untyped-decorator]
def abort_unowned_uploads_task() -> None:
    """Abort multipart uploads that no scene owns."""
    abort_unowned_uploads(worker_database(), worker_bucket())

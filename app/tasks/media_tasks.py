"""The tasks that take one scene's media in, or tell what is behind a link.

Their arguments are ids; what to do is read from the scene's document, or the resolution's.
"""

import os
import socket
from typing import Any

from celery import Task
from celery.signals import worker_init

from app.core.celery_app import RESCUED_QUEUE, celery_app
from app.core.config import get_settings
from app.core.database import worker_database
from app.core.redis import worker_announcer
from app.services.intake import Intake
from app.services.resolve import Resolver
from app.services.storage.bucket import worker_bucket
from app.services.storage.client import read_descriptions


@worker_init.connect  # type: ignore[untyped-decorator]
def _before_the_forks(**_: object) -> None:
    read_descriptions()


def task_id_of(scene_id: str, generation: int) -> str:
    """The task's id follows from what it is about: known before the broker is, and easy to find in Flower."""
    return f"{scene_id}.{generation}"


class _SceneTask(Task):  # type: ignore[misc]  # Celery has no types
    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        options.setdefault("task_id", task_id_of(*args))
        return super().apply_async(args, kwargs, **options)


@celery_app.task(base=_SceneTask, ignore_result=True)  # type: ignore[untyped-decorator]
def download_media_task(scene_id: str, generation: int) -> None:
    """Fetch and store this generation of this scene's media, if it still waits for that."""
    worker = f"{socket.gethostname()}/{os.getpid()}"
    intake = Intake(worker_database(), worker_bucket(), get_settings(), worker, worker_announcer().changed)
    if intake.run(scene_id, generation):
        ring_first(scene_id, generation)


def ring_first(scene_id: str, generation: int) -> None:
    """Have a worker look at a scene that was under way already, before what waits in the backlog."""
    download_media_task.apply_async((scene_id, generation), queue=RESCUED_QUEUE)


@celery_app.task(ignore_result=True)  # type: ignore[untyped-decorator]
def resolve_media_task(resolution_id: str) -> None:
    """Find out what is behind this resolution's link, if it still waits for that."""
    if Resolver(worker_database(), get_settings()).run(resolution_id):
        resolve_media_task.delay(resolution_id)

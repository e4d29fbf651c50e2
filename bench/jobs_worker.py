"""The Celery worker of bench.jobs: the use case without its probe, and a bare task that does the least."""

from functools import cache

import urllib3
from celery import Celery

from app.core.celery_app import celery_app
from app.core.config import get_settings
from app.core.database import worker_database
from app.core.redis import worker_announcer
from app.services import intake
from app.services.intake import Intake
from app.services.process.inspect import Inspection
from app.services.storage.bucket import worker_bucket

app: Celery = celery_app
intake.inspect = lambda *_: Inspection({}, None, 0, 0)  # type: ignore[attr-defined]


@app.task(name="bench.take_in")  # type: ignore[untyped-decorator]
def take_in(scene_id: str, generation: int) -> None:
    changed = worker_announcer().changed
    Intake(worker_database(), worker_bucket(), get_settings(), "bench/1", changed).run(scene_id, generation)


@app.task(name="bench.bare")  # type: ignore[untyped-decorator]
def bare(scene_id: str, _: int) -> None:
    scenes, bucket = worker_database()["scenes"], worker_bucket()
    scene = scenes.find_one_and_update({"_id": scene_id}, {"$set": {"media.status": "downloading"}})
    body = _pool().request("GET", scene["media"]["source_url"]).data  # type: ignore[index]
    bucket.client.put_object(Bucket=bucket.name, Key=f"bare/{scene_id}", Body=body)
    scenes.update_one({"_id": scene_id}, {"$set": {"media.status": "ready"}})


@cache
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager()

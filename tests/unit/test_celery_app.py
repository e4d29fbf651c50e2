"""The Celery application: its tasks, its routes, its settings, and the messages that it sends."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.core.celery_app import make_celery
from app.core.config import Settings
from tests.servers import settings_of

ENVIRONMENT = {
    "MONGODB_URI": "mongodb://127.0.0.1:1/",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "S3_ENDPOINT_URL": "http://127.0.0.1:1",
    "S3_ACCESS_KEY_ID": "key",
    "S3_SECRET_ACCESS_KEY": "secret",
}
DOWNLOAD = "app.tasks.media_tasks.download_media_task"
RESOLVE = "app.tasks.media_tasks.resolve_media_task"
RECONCILE = "app.tasks.maintenance_tasks.reconcile_task"
SWEEP = "app.tasks.maintenance_tasks.sweep_scene_task"
ABORT = "app.tasks.maintenance_tasks.abort_unowned_uploads_task"
CLEAN_UP = "app.tasks.maintenance_tasks.clean_up_task"

# The application reads the settings of its process once, so it is looked at in one of its own.
LOOK = """
import json, sys
from app.core.celery_app import celery_app
celery_app.loader.import_default_modules()
routes = {name: celery_app.amqp.router.route({}, name)["queue"].name
          for name in celery_app.tasks if not name.startswith("celery.")}
celery_app.conf.broker_url = "memory://"
celery_app.conf.broker_transport_options = {}
from app.tasks.media_tasks import download_media_task
from app.tasks.maintenance_tasks import sweep_scene_task
download_media_task.delay("scene", 3)
download_media_task.delay("scene", 3)
sweep_scene_task.delay("scene")
messages = []
with celery_app.connection_for_read() as connection:
    for queue in ("media", "media", "cleaning"):
        message = connection.SimpleQueue(queue).get(timeout=2)
        messages.append([queue, message.headers["task"], message.headers["id"], message.payload[:2],
                         message.content_type, message.headers.get("eta")])
print(json.dumps([routes, messages]))
"""

# What a worker process reads of botocore's data for its bucket, when the worker has told its tasks that it begins.
READ = """
import json, os, sys
from celery.signals import worker_init
from app.core.celery_app import celery_app
celery_app.loader.import_default_modules()
worker_init.send(sender="worker")
read = []
sys.addaudithook(lambda event, args: read.append(str(args[0])) if event == "open" else None)
from app.services.storage.bucket import worker_bucket
worker_bucket()
print(json.dumps([path for path in read if f"botocore{os.sep}data" in path]))
"""


def run_python(program: str, folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    done = run_python(LOOK, tmp_path_factory.mktemp("celery"), ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def settings() -> Settings:
    return settings_of(ENVIRONMENT, takeup_job_seconds=600)


def test_descriptions_of_s3_are_read_before_the_worker_forks(tmp_path: Path) -> None:
    done = run_python(READ, tmp_path, ENVIRONMENT)
    assert json.loads(done.stdout) == [], done.stderr
    alone = run_python(READ.replace('worker_init.send(sender="worker")', ""), tmp_path, ENVIRONMENT)
    assert json.loads(alone.stdout) != [], alone.stderr


def test_registry_holds_these_tasks_and_their_queues(seen: Any) -> None:
    assert seen[0] == {
        DOWNLOAD: "media",
        RESOLVE: "resolving",
        RECONCILE: "maintenance",
        SWEEP: "cleaning",
        CLEAN_UP: "cleaning",
        ABORT: "cleaning",
    }


def test_message_carries_ids_alone_and_its_id_follows_from_them(seen: Any) -> None:
    first, again, sweep = seen[1]
    assert first == ["media", DOWNLOAD, "scene.3", [["scene", 3], {}], "application/json", None]
    assert again == first
    assert sweep[:2] == ["cleaning", SWEEP]
    assert sweep[3:] == [[["scene"], {}], "application/json", None]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_acks_late", False),
        ("task_reject_on_worker_lost", False),
        ("task_retry_on_worker_lost", False),
        ("worker_prefetch_multiplier", 1),
        ("worker_disable_prefetch", True),
        ("worker_pool", "prefork"),
        ("worker_cancel_long_running_tasks_on_connection_loss", False),
        ("broker_connection_retry_on_startup", True),
        ("broker_connection_max_retries", None),
        ("broker_pool_acquire_timeout", 3),
        ("task_ignore_result", True),
        ("result_backend", None),
        ("task_serializer", "json"),
        ("accept_content", ["json"]),
        ("worker_max_tasks_per_child", 50),
        ("worker_send_task_events", True),
        ("timezone", None),
        ("include", ["app.tasks.media_tasks", "app.tasks.maintenance_tasks"]),
    ],
)
def test_setting_is_the_one_that_was_measured(settings: Settings, name: str, value: object) -> None:
    assert make_celery(lambda: settings).conf[name] == value


def test_time_limits_strike_behind_the_jobs_own_deadline(settings: Settings) -> None:
    conf = make_celery(lambda: settings).conf
    assert 600 <= conf.task_soft_time_limit < conf.task_time_limit <= 720


def test_publishing_is_bounded(settings: Settings) -> None:
    conf = make_celery(lambda: settings).conf
    assert conf.task_publish_retry_policy["max_retries"] == 1
    assert conf.task_publish_retry_policy["interval_max"] <= 0.2
    options = conf.broker_transport_options
    assert (
        options.items()
        >= {
            "visibility_timeout": 120,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "max_retries": 1,
        }.items()
    )
    assert options["global_keyprefix"]
    assert options["socket_timeout"] in {2, 15}


def test_worker_stops_by_its_warm_shutdown(settings: Settings) -> None:
    assert make_celery(lambda: settings).conf.worker_soft_shutdown_timeout == 0


# A worker's children are forked long before it is told to stop.
STOP = """
import os
from celery.signals import worker_shutting_down
from app.core.celery_app import celery_app
from app.core.shutdown import stopping_for
told, tell = os.pipe()
before = stopping_for()
child = os.fork()
if not child:
    os.read(told, 1)
    os._exit(0 if stopping_for() is not None and stopping_for() < 60 else 1)
worker_shutting_down.send(sender="worker", sig="SIGTERM", how="Warm", exitcode=0)
first = stopping_for()
worker_shutting_down.send(sender="worker", sig="SIGTERM", how="Warm", exitcode=0)
os.write(tell, b"x")
_, status = os.waitpid(child, 0)
print(before is None, status == 0, stopping_for() >= first)
"""


def test_processes_that_were_forked_before_know_that_the_worker_stops(tmp_path: Path) -> None:
    done = run_python(STOP, tmp_path, ENVIRONMENT)
    assert done.stdout.split() == ["True", "True", "True"], done.stderr


def test_beat_rings_the_reconciler_and_for_uploads_that_nobody_owns(settings: Settings) -> None:
    schedule = make_celery(lambda: settings).conf.beat_schedule
    assert {entry["task"] for entry in schedule.values()} == {RECONCILE, ABORT}
    assert schedule["reconcile"]["schedule"] == settings.takeup_reconcile_seconds


@pytest.mark.parametrize("seconds", [0.5, 10, 60])
def test_round_that_waited_too_long_for_its_worker_is_dropped(settings: Settings, seconds: float) -> None:
    often = settings.model_copy(update={"takeup_reconcile_seconds": seconds})
    entry = make_celery(lambda: often).conf.beat_schedule["reconcile"]
    assert 2 * seconds < entry["options"]["expires"] <= max(10, 3 * seconds)


def test_other_messages_do_not_run_out_by_a_workers_own_clock(settings: Settings) -> None:
    schedule = make_celery(lambda: settings).conf.beat_schedule
    assert [name for name, entry in schedule.items() if "expires" in entry.get("options", {})] == ["reconcile"]


def test_other_broker_gets_no_options_of_redis(settings: Settings) -> None:
    other = settings.model_copy(update={"celery_broker_url": "amqp://127.0.0.1//"})
    conf = make_celery(lambda: other).conf
    assert (conf.broker_url, conf.broker_transport_options) == ("amqp://127.0.0.1//", {})
    assert not conf.worker_disable_prefetch


def test_import_needs_no_settings_and_the_first_use_tells_what_is_missing(tmp_path: Path) -> None:
    assert run_python("import app.tasks.maintenance_tasks", tmp_path, {}).returncode == 0
    done = run_python("from app.core.celery_app import celery_app; celery_app.conf.broker_url", tmp_path, {})
    assert done.returncode == 2
    assert "MONGODB_URI: is not set" in done.stderr
    assert "Traceback" not in done.stderr

"""The Celery application. A message is a bell that carries ids; the scene's document is the truth.

Why each setting is what it is: docs/celery.md.
"""

from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.signals import beat_embedded_init, setup_logging, worker_process_init, worker_shutting_down
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from app.core.config import Settings, load_settings_or_exit
from app.core.logging import configure_logging
from app.core.process import die_with_parent, share_one_heap
from app.core.shutdown import ask_to_stop

MEDIA_QUEUE = "media"
RESOLVING_QUEUE = "resolving"
RESCUED_QUEUE = "rescued"
MAINTENANCE_QUEUE = "maintenance"
CLEANING_QUEUE = "cleaning"


def _transport_options(settings: Settings) -> dict[str, Any]:
    if not settings.broker_url.startswith("redis"):
        return {}
    return {
        "visibility_timeout": 120,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 15,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "max_retries": 1,
        "global_keyprefix": "takeup:",
    }


def _configuration(settings: Settings) -> dict[str, Any]:
    return {
        "broker_url": settings.broker_url,
        "broker_transport_options": _transport_options(settings),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": 2,
        "broker_pool_acquire_timeout": 3,
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_max": 0.2},
        "task_acks_late": False,
        "task_reject_on_worker_lost": False,
        "task_retry_on_worker_lost": False,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_soft_time_limit": settings.takeup_job_seconds + 30,
        "task_time_limit": settings.takeup_job_seconds + 90,
        "task_default_queue": MEDIA_QUEUE,
        "task_routes": {
            "app.tasks.media_tasks.resolve_media_task": {"queue": RESOLVING_QUEUE},
            "app.tasks.media_tasks.*": {"queue": MEDIA_QUEUE},
            "app.tasks.maintenance_tasks.reconcile_task": {"queue": MAINTENANCE_QUEUE},
            "app.tasks.maintenance_tasks.*": {"queue": CLEANING_QUEUE},
        },
        "worker_pool": "prefork",
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": settings.broker_url.startswith("redis"),
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_max_tasks_per_child": 50,
        "worker_send_task_events": True,
        "worker_hijack_root_logger": False,
        "beat_scheduler": "celery.beat.Scheduler",  # one entry on a fixed interval needs no schedule file
        "beat_max_loop_interval": 1,
        "beat_schedule": {
            "reconcile": {
                "task": "app.tasks.maintenance_tasks.reconcile_task",
                "schedule": settings.takeup_reconcile_seconds,
                "options": {"expires": max(10.0, 3 * settings.takeup_reconcile_seconds)},
            },
            "abort-unowned-uploads": {
                "task": "app.tasks.maintenance_tasks.abort_unowned_uploads_task",
                "schedule": 600.0,
            },
        },
    }


def make_celery(load_settings: Callable[[], Settings]) -> Celery:
    """The application; the settings are asked for at its first use, and nothing connects before."""
    celery = Celery("takeup", include=["app.tasks.media_tasks", "app.tasks.maintenance_tasks"])
    celery.add_defaults(lambda: _configuration(load_settings()))
    return celery


def online_workers(celery: Celery, seconds: float) -> list[str] | None:
    """The names of the workers that answer within so many seconds; None where the broker itself does not."""
    try:
        answers = celery.control.ping(timeout=seconds)
    except (OperationalError, RedisError, OSError):
        return None
    return sorted(name for answer in answers for name in answer)


@beat_embedded_init.connect  # type: ignore[untyped-decorator]
@worker_process_init.connect  # type: ignore[untyped-decorator]
def _on_child(**_: object) -> None:
    die_with_parent()
    share_one_heap()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _on_stop(**_: object) -> None:
    ask_to_stop()


@setup_logging.connect  # type: ignore[untyped-decorator]
def _on_setup_logging(**_: object) -> None:
    configure_logging(load_settings_or_exit())


celery_app = make_celery(load_settings_or_exit)

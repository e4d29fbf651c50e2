"""Which workers listen, asked through the broker."""

from app.core import celery_app as celery_core

_ANSWER_SECONDS = 0.7


def listening_workers() -> list[str] | None:
    """The names of the workers that answer within 0.7 s; None where the broker itself does not."""
    return celery_core.online_workers(celery_core.celery_app, _ANSWER_SECONDS)

"""Which workers listen, asked through the broker."""

from kombu.exceptions import OperationalError

from app.core.celery_app import celery_app

_ANSWER_SECONDS = 0.7


def online_workers() -> list[str] | None:
    """The names of the workers that answer within 0.7 s; None where the broker itself does not."""
    try:
        answers = celery_app.control.ping(timeout=_ANSWER_SECONDS)
    except (OperationalError, OSError):
        return None
    return sorted(name for answer in answers for name in answer)

"""How Takeup logs: one line an event to stderr, in the order time, level, logger, message."""

import logging
import logging.config

from app.core.config import Settings


def configure_logging(settings: Settings) -> None:
    """Set the process's logging up; safe to call again."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s"}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"level": settings.takeup_log_level, "handlers": ["stderr"]},
            "loggers": {
                "botocore": {"level": "WARNING"},
                "pymongo": {"level": "WARNING"},
                "urllib3": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                "celery.app.trace": {"level": "WARNING"},  # what a task did, the services log themselves
            },
        }
    )

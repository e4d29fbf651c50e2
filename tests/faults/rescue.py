"""When a scene that lost its worker was taken up again, read from its document."""

from datetime import datetime, timedelta

from app.core.database import Document

_CLOCKS = timedelta(milliseconds=50)
"""The database rounds to milliseconds, and reads its clock at another moment than we do."""


def next_sign(media: Document, since: datetime) -> datetime | None:
    """When the scene was claimed next, or ended without; None where neither has happened yet."""
    starts: list[datetime] = [attempt["started_at"] for attempt in media["attempts"]]
    if media["lease"]:
        starts.append(media["lease"]["started_at"])
    later = [start for start in starts if start > since + _CLOCKS]
    if later:
        return min(later)
    ended = media["status"] in {"ready", "failed", "canceled"}
    ended_at: datetime = media["status_at"]
    return max(ended_at, since) if ended else None

"""A scene's media: its states, the transitions that are allowed, and its form in the API.

A moment by which scenes are looked for (`due_ms`, `lease.expires_ms`, `stored_ms`) is a whole number of milliseconds,
because an index finds no date (docs/decisions/0006-moments-ahead-are-numbers.md).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, Field


class Status(StrEnum):
    """Where a scene's media stands. `pending` has a link that nobody has asked to store yet."""

    PENDING = "pending"
    QUEUED = "queued"
    RESOLVING = "resolving"
    DOWNLOADING = "downloading"
    UPLOADING = "uploading"
    PROCESSING = "processing"
    READY = "ready"
    RETRYING = "retrying"
    FAILED = "failed"
    CANCELED = "canceled"


ACTIVE = frozenset({Status.RESOLVING, Status.DOWNLOADING, Status.UPLOADING, Status.PROCESSING})
"""A worker holds the lease."""

WAITING = frozenset({Status.QUEUED, Status.RETRYING})
"""A worker may claim it, now or when its time has come."""

IN_FLIGHT = ACTIVE | WAITING
TERMINAL = frozenset({Status.READY, Status.FAILED, Status.CANCELED})

MIN_HEIGHT, MAX_HEIGHT = 144, 4320
"""Between which a request may cap the picture, in pixels: 144p and 8K."""

_ANEW = frozenset({Status.PENDING, Status.QUEUED})
"""Another link, or another request for the same one: allowed at any time, under a new generation."""

_ENDINGS = frozenset({Status.RETRYING, Status.FAILED, Status.CANCELED})

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: _ANEW,
    Status.QUEUED: _ANEW | {Status.RESOLVING, Status.RETRYING, Status.CANCELED},
    Status.RESOLVING: _ANEW | {Status.DOWNLOADING, Status.PROCESSING} | _ENDINGS,
    Status.DOWNLOADING: _ANEW | {Status.UPLOADING} | _ENDINGS,
    Status.UPLOADING: _ANEW | {Status.PROCESSING} | _ENDINGS,
    Status.PROCESSING: _ANEW | {Status.READY} | _ENDINGS,
    Status.RETRYING: _ANEW | {Status.RESOLVING, Status.RETRYING, Status.CANCELED},
    Status.READY: _ANEW,
    Status.FAILED: _ANEW,
    Status.CANCELED: _ANEW,
}
"""What may follow what. A worker that dies or shuts down gives its scene back: that is `queued` too, under the same
generation. A scene whose site is held back goes on waiting: `retrying`, with no attempt counted."""


def sources_of(target: Status, among: Iterable[Status] = tuple(Status)) -> list[str]:
    """The states, of those `among`, from which `target` may be reached, sorted: a state change's condition."""
    return sorted(source for source in among if target in TRANSITIONS[source])


def milliseconds(moment: datetime, seconds_later: float = 0) -> int:
    """A moment by which scenes are looked for, as documents keep it: milliseconds since 1970 in UTC."""
    return int((moment.timestamp() + seconds_later) * 1000)


def moment_of(ms: int) -> datetime:
    """The date of a number that `milliseconds` gave."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


class Progress(BaseModel):
    """How far the present attempt is. Sizes in bytes, times in seconds; null where it cannot be known.

    `bytes_done` are fetched, `bytes_stored` in the bucket; what an earlier attempt stored already is in both.
    """

    percent: float | None = None
    bytes_done: int = 0
    bytes_stored: int = 0
    bytes_total: int | None = None
    speed_bps: float = 0
    eta_s: float | None = None
    stalled: bool = False


class Failure(BaseModel):
    """Why the last attempt failed: `code` is stable, `message` and `hint` are for people."""

    code: str
    message: str
    hint: str
    retryable: bool


class Attempt(BaseModel):
    """One attempt that has ended."""

    n: int
    started_at: datetime
    ended_at: datetime
    worker: str
    outcome: Literal["ready", "retrying", "failed", "crashed"]
    code: str | None = None
    bytes: int = 0
    resumed_bytes: int = 0


class Original(BaseModel):
    """The stored file. `checksum` is `sha256:` and 64 hexadecimal digits, counted while it was fetched."""

    bytes: int
    content_type: str
    filename: str
    checksum: str


class Probe(BaseModel):
    """What the file was found to hold; sizes in pixels as shown (rotation applied), times in seconds."""

    kind: Literal["video", "audio", "image"]
    container: str
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    rotation: int = 0
    video_codec: str | None = None
    audio_codec: str | None = None


class Poster(BaseModel):
    """A still of 640 pixels' width at most, WebP."""

    width: int
    height: int


class Media(BaseModel):
    """A scene's media as the API shows it; `max_height` as it was asked for, null: what the operator allows."""

    source_url: str | None
    max_height: int | None = None
    generation: int
    status: Status
    status_at: datetime | None = None
    requested_at: datetime | None = None
    attempt: int
    max_attempts: int
    next_attempt_at: datetime | None = None
    progress: Progress | None = None
    error: Failure | None = None
    attempts: list[Attempt] = Field(default_factory=list)
    original: Original | None = None
    probe: Probe | None = None
    poster: Poster | None = None

    @classmethod
    def from_document(cls, media: dict[str, Any]) -> Self:
        """From the `media` of a scene's document; lease, upload and keys stay inside."""
        retrying = media["status"] == Status.RETRYING
        return cls.model_validate({**media, "next_attempt_at": moment_of(media["due_ms"]) if retrying else None})


def new_run(
    source_url: str,
    generation: int,
    status: Status,
    *,
    now: datetime,
    wait_seconds: float,
    max_attempts: int,
    max_height: int | None = None,
) -> dict[str, Any]:
    """The whole `media` of a new request, or of a link that nobody has asked to store yet.

    One place, so that no field of an earlier run survives. After `wait_seconds` the reconciler looks at it.
    """
    return {
        "source_url": source_url,
        "max_height": max_height,
        "generation": generation,
        "status": status,
        "status_at": now,
        "requested_at": now if status is Status.QUEUED else None,
        "due_ms": milliseconds(now, wait_seconds),
        "attempt": 0,
        "given_back": False,
        "max_attempts": max_attempts,
        "lease": None,
        "progress": None,
        "error": None,
        "attempts": [],
        "upload": None,
        "stored_ms": None,
        "original": None,
        "probe": None,
        "poster": None,
        "renditions": [],
    }

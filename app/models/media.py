"""A scene's media: its states, the transitions that are allowed, and its form in the API.

A date that lies ahead is kept in a sub-document of its own (`next_attempt.at`, `lease.expires_at`): the embedded
database stores a bare date given to `$set` as text (docs/decisions/0002-what-the-embedded-database-needs.md).
"""

from datetime import datetime
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

_ENDINGS = frozenset({Status.RETRYING, Status.FAILED, Status.CANCELED, Status.QUEUED})

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.QUEUED}),
    Status.QUEUED: frozenset({Status.RESOLVING, Status.CANCELED, Status.QUEUED}),
    Status.RESOLVING: frozenset({Status.DOWNLOADING, Status.PROCESSING}) | _ENDINGS,
    Status.DOWNLOADING: frozenset({Status.UPLOADING}) | _ENDINGS,
    Status.UPLOADING: frozenset({Status.PROCESSING}) | _ENDINGS,
    Status.PROCESSING: frozenset({Status.READY}) | _ENDINGS,
    Status.RETRYING: frozenset({Status.RESOLVING, Status.CANCELED, Status.QUEUED}),
    Status.READY: frozenset({Status.QUEUED}),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.CANCELED: frozenset({Status.QUEUED}),
}
"""What may follow what. `queued` follows everything: a new request starts over under a new generation."""


def sources_of(target: Status) -> list[str]:
    """The states from which `target` may be reached, sorted: what a state change puts into its filter."""
    return sorted(source for source, targets in TRANSITIONS.items() if target in targets)


class Progress(BaseModel):
    """How far the present attempt is. Sizes in bytes, times in seconds; null where it cannot be known."""

    percent: float | None = None
    bytes_done: int = 0
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
    """A scene's media as the API shows it."""

    source_url: str | None
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
        return cls.model_validate({**media, "next_attempt_at": (media.get("next_attempt") or {}).get("at")})


def new_media(source_url: str, max_attempts: int) -> dict[str, Any]:
    """The `media` of a scene whose link nobody has asked to store yet."""
    return {
        "source_url": source_url,
        "generation": 0,
        "status": Status.PENDING,
        **blank_run(max_attempts),
    }


def blank_run(max_attempts: int) -> dict[str, Any]:
    """What every new request for storage starts from; one place, so that no field of an earlier run survives."""
    return {
        "attempt": 0,
        "max_attempts": max_attempts,
        "next_attempt": None,
        "lease": None,
        "progress": None,
        "error": None,
        "attempts": [],
        "upload": None,
        "original": None,
        "probe": None,
        "poster": None,
        "renditions": [],
    }

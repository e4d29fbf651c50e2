"""What is behind a link, told without storing it: a resolution's states, and its form in the API.

Titles, names and numbers are a stranger's. Text is cleaned and cut, and a number that makes no sense counts as unknown.
"""

import unicodedata
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field

from app.models.media import Failure, moment_of

MAX_FORMATS = 50
_MAX_TITLE_LENGTH = 500
_MAX_NAME_LENGTH = 100
_MAX_NUMBER = 1 << 53


class ResolutionStatus(StrEnum):
    """`resolved` has an answer, `failed` says why none could be had."""

    RESOLVING = "resolving"
    RESOLVED = "resolved"
    FAILED = "failed"


def _text(length: int) -> Callable[[object], str | None]:
    """NFC, on one line, without control, format (bidi) and broken characters; None where nothing is left."""

    def clean(value: object) -> str | None:
        if not isinstance(value, str):
            return None
        kept = "".join(c for c in " ".join(value[: 4 * length].split()) if unicodedata.category(c)[0] != "C")
        return unicodedata.normalize("NFC", kept)[:length].strip() or None

    return clean


def _number(value: object) -> int | float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _MAX_NUMBER:
        return None  # NaN is not between any two numbers
    return value


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


Title = Annotated[str | None, BeforeValidator(_text(_MAX_TITLE_LENGTH))]
Name = Annotated[str | None, BeforeValidator(_text(_MAX_NAME_LENGTH))]
Count = Annotated[int | None, BeforeValidator(_whole)]
Amount = Annotated[float | None, BeforeValidator(_number)]


class MediaFormat(BaseModel):
    """One form in which a site offers the media; those that are `stored` are what Takeup would fetch.

    Two are, where picture and sound come apart. Height in pixels; null where the site does not tell.
    """

    id: Name = None
    name: Name = None
    container: Name = None
    height: Count = None
    fps: Amount = None
    video_codec: Name = None
    audio_codec: Name = None
    bytes: Count = None
    stored: bool = False


class MediaDescription(BaseModel):
    """What the link leads to. Times in seconds, sizes in bytes; null where it cannot be known without storing it.

    `bytes` is what would be stored, by the site's own figures or its bitrates. `content_type` is told by the first
    bytes, and null where these were not looked at (pieces of HLS or DASH, picture and sound apart). `entries` counts
    those of a playlist, of which the first is described, and stored. The formats that would be stored come first, then
    the best; there are 50 at most.
    """

    title: Title = None
    kind: Literal["video", "audio", "image"] | None = None
    duration_s: Amount = None
    bytes: Count = None
    container: Name = None
    content_type: Name = None
    entries: Count = None
    formats: Annotated[list[MediaFormat], Field(max_length=MAX_FORMATS)] = []


class Resolution(BaseModel):
    """What is known of a link so far, without storing it.

    `available` is null until it is `resolved`; where it is false, `error` is what storing would meet, and `media` what
    was seen all the same. A `failed` one could not be answered: `error` says why.
    """

    id: str
    url: str
    max_height: int | None = None
    status: ResolutionStatus
    available: bool | None = None
    media: MediaDescription | None = None
    error: Failure | None = None
    created_at: datetime
    expires_at: datetime

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        resolved = document["status"] == ResolutionStatus.RESOLVED
        return cls.model_validate(
            {
                **document,
                "id": document["_id"],
                "available": document["error"] is None if resolved else None,
                "created_at": moment_of(document["created_ms"]),
                "expires_at": moment_of(document["expires_ms"]),
            }
        )

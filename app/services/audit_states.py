"""The states that no scene should be in: one table, and what takes a scene out of each of them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from app.core.config import Settings
from app.core.database import Document
from app.crud.crud_audit import deleted_at_once, queued_anew
from app.models.media import ACTIVE, WAITING, Media, Status

_STATUSES = frozenset(Status)
_RUNG_FOR = WAITING | {Status.PENDING}
_DATES = ("created_at", "updated_at")

Rule = tuple[str, Callable[[Document], bool]]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _has_key(part: object) -> bool:
    return isinstance(part, dict) and bool(part.get("key"))


def _is_unreadable(media: Document) -> bool:
    try:
        Media.from_document(media)
    except (ValidationError, KeyError, TypeError):
        return True
    return False


_OF_MEDIA: tuple[Rule, ...] = (
    ("a status that is none of ours", lambda media: media.get("status") not in _STATUSES),
    ("media without a link", lambda media: not media.get("source_url")),
    ("a generation that is no number", lambda media: not _is_number(media.get("generation"))),
    ("active without a lease", lambda media: media.get("status") in ACTIVE and not media.get("lease")),
    ("a lease, but not active", lambda media: bool(media.get("lease")) and media.get("status") not in ACTIVE),
    (
        "a lease that never ends",
        lambda media: bool(media.get("lease")) and not _is_number(media["lease"].get("expires_ms")),
    ),
    (
        "waiting, and never due",
        lambda media: media.get("status") in _RUNG_FOR and not _is_number(media.get("due_ms")),
    ),
    (
        "ready without an original",
        lambda media: media.get("status") == Status.READY and not _has_key(media.get("original")),
    ),
    ("a poster without a key", lambda media: bool(media.get("poster")) and not _has_key(media["poster"])),
    ("failed without an error", lambda media: media.get("status") == Status.FAILED and not media.get("error")),
    (
        "more attempts than allowed",
        lambda media: (
            _is_number(media.get("attempt"))
            and _is_number(media.get("max_attempts"))
            and media["attempt"] > media["max_attempts"]
        ),
    ),
    ("a date that is text", lambda media: isinstance(media.get("status_at"), str)),
)

_OF_MEDIA_AS_A_WHOLE: Rule = ("media that the API cannot read", _is_unreadable)
_OF_DELETION: Rule = (
    "a deletion that never ends",
    lambda scene: bool(scene.get("deletion")) and not _is_number(scene["deletion"].get("purge_ms")),
)
_OF_DATES: Rule = ("a date that is text", lambda scene: any(isinstance(scene.get(name), str) for name in _DATES))
_NO_PROJECT = "a scene of no project"


def problems(scene: Document, *, project_exists: bool) -> list[str]:
    """What is impossible about the scene, in words. Of a deleted one, only what keeps it from going."""
    if scene.get("deletion"):
        return _broken((_OF_DELETION,), scene)
    orphaned = [] if project_exists else [_NO_PROJECT]
    return list(dict.fromkeys([*orphaned, *_broken((_OF_DATES,), scene), *_media_problems(scene)]))


def _media_problems(scene: Document) -> list[str]:
    media = scene.get("media")
    if media is None:
        return []
    if not isinstance(media, dict):
        return ["media that is no document"]
    return _broken(_OF_MEDIA, media) or _broken((_OF_MEDIA_AS_A_WHOLE,), media)


def _broken(rules: tuple[Rule, ...], document: Document) -> list[str]:
    return [name for name, holds in rules if holds(document)]


def remedy(scene: Document, *, project_exists: bool) -> str:
    """What takes the scene out of its impossible state, for people."""
    if _must_go(scene, project_exists=project_exists):
        return "delete the scene"
    if not _media_problems(scene):
        return "make dates of them"
    return "store it again from its link" if _has_link(scene) else "remove its media"


def mended(
    scene: Document, generation: int, settings: Settings, now: datetime, *, project_exists: bool
) -> Document | None:
    """The fields that take the scene out of its impossible state; None where it is in none."""
    fields: Document = {name: _date_of(scene[name], now) for name in _DATES if isinstance(scene.get(name), str)}
    if _media_problems(scene):
        fields |= queued_anew(scene, generation, settings, now)
    if _must_go(scene, project_exists=project_exists):
        fields |= deleted_at_once(settings, now)
    elif scene.get("deletion"):
        return None
    return fields or None


def _must_go(scene: Document, *, project_exists: bool) -> bool:
    deletion: Any = scene.get("deletion")
    return bool(_broken((_OF_DELETION,), scene)) if deletion else not project_exists


def _has_link(scene: Document) -> bool:
    media = scene["media"]
    return isinstance(media, dict) and isinstance(media.get("source_url"), str) and bool(media["source_url"])


def _date_of(text: str, now: datetime) -> datetime:
    """The date that the text tells; now where it tells none."""
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return now
    return date if date.tzinfo else date.replace(tzinfo=UTC)

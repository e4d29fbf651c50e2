"""What yt-dlp's failures mean: by type first, then by what it found out about the media, by its words only at last."""

import re
from collections.abc import Iterator
from typing import Any

from requests.exceptions import InvalidURL
from yt_dlp.networking.exceptions import HTTPError, NoSupportingHandlers, TransportError
from yt_dlp.utils import ExtractorError, GeoRestrictedError, UnsupportedError, UserNotLive

from app.core import media_errors as errors
from app.core.media_errors import MediaError
from app.services.fetch.exchange import whole_number

_BY_STATUS_OF_PAGE: dict[int, type[MediaError]] = {
    401: errors.LoginRequiredError,
    403: errors.LoginRequiredError,
    404: errors.LinkNotFoundError,
    410: errors.LinkNotFoundError,
}
_BY_STATUS_OF_MEDIA: dict[int, type[MediaError]] = {
    401: errors.ExpiredAddressError,
    403: errors.ExpiredAddressError,
    404: errors.ExpiredAddressError,
    410: errors.ExpiredAddressError,
    416: errors.ExpiredAddressError,
}
_BY_TYPE: tuple[tuple[type[BaseException], type[MediaError]], ...] = (
    (InvalidURL, errors.InvalidLinkError),
    (UnsupportedError, errors.UnsupportedLinkError),
    (GeoRestrictedError, errors.RegionLockedError),
    (UserNotLive, errors.LiveContentError),
    (NoSupportingHandlers, errors.UnsupportedLinkError),
    (MemoryError, errors.UnsafeMediaError),
)
_BY_AVAILABILITY: dict[str, type[MediaError]] = {
    "private": errors.PrivateContentError,
    "premium_only": errors.PaidContentError,
    "subscriber_only": errors.PaidContentError,
    "needs_auth": errors.LoginRequiredError,
}
_BY_WORDS: tuple[tuple[re.Pattern[str], type[MediaError]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), error)
    for pattern, error in (
        (r"confirm you.?re not a bot|too many requests|rate.?limit", errors.RateLimitedError),
        (r"confirm your age|age.?restrict|inappropriate for some", errors.AgeRestrictedError),
        (r"private (video|account|content)|is private", errors.PrivateContentError),
        (r"members.?only|premium|paid|purchase|rent(al)?\b", errors.PaidContentError),
        (r"\bdrm\b", errors.ProtectedContentError),
        (r"log ?in|sign ?in|account|cookies|registered users", errors.LoginRequiredError),
        (r"removed|deleted|terminated|no longer (available|exists)", errors.RemovedContentError),
        (r"not available in your (country|region|location)|geo.?restrict", errors.RegionLockedError),
        (r"no video formats|no (video|media) (could be )?found|unsupported url", errors.UnsupportedLinkError),
        (r"no space left", errors.DiskFullError),
    )
)


def refusal_of(info: dict[str, Any]) -> MediaError | None:
    """Why media that was found cannot be fetched, from yt-dlp's info dict; None where it can."""
    if info.get("live_status") in {"is_live", "is_upcoming", "post_live"} or info.get("is_live"):
        return errors.LiveContentError()
    availability = _BY_AVAILABILITY.get(info.get("availability") or "")
    formats = info.get("formats") or ([info] if info.get("url") else [])
    if not formats:
        if info.get("_has_drm"):
            return errors.ProtectedContentError()
        return (availability or errors.UnsupportedLinkError)()
    return None


def failure_of(error: BaseException, found: bool) -> MediaError:  # noqa: FBT001 - read with its name
    """What yt-dlp raised, as the failure it is; its detail is fit for a person.

    `found`: the media had been found, so an HTTP status speaks of the media and not of the page.
    """
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, MediaError):
            return link
    for link in chain:
        if isinstance(link, HTTPError):
            return _by_answer(link, found)
        for kind, failure in _BY_TYPE:
            if isinstance(link, kind):
                return failure()
    text = str(error)
    for pattern, failure in _BY_WORDS:
        if pattern.search(text):
            return failure()
    if any(isinstance(link, TransportError) for link in chain):
        return errors.ConnectionFailedError()
    unexpected = any(isinstance(link, ExtractorError) and not link.expected for link in chain)
    return errors.ExtractorOutdatedError() if unexpected else errors.ExtractorFailedError()


def _by_answer(error: HTTPError, found: bool) -> MediaError:  # noqa: FBT001 - as above
    if error.redirect_loop:
        return errors.UnsupportedLinkError("It redirects too many times.")
    if error.status == 429:
        asked = whole_number(error.response.get_header("Retry-After") or "")
        return errors.RateLimitedError("(HTTP 429)", retry_after_seconds=asked)
    table = _BY_STATUS_OF_MEDIA if found else _BY_STATUS_OF_PAGE
    failure = errors.ServerFaultError if error.status >= 500 else table.get(error.status, errors.ExtractorFailedError)
    return failure(f"(HTTP {error.status})")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, yt-dlp's own `exc_info` and `cause` included."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        link = waiting.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        info = getattr(link, "exc_info", None)
        waiting += [info[1] if info else None, getattr(link, "cause", None), link.__cause__, link.__context__]

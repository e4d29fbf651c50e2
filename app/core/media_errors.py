"""Every way a scene's media can fail: a class is one code of docs/errors.md, and its `policy` decides the retry."""

from enum import StrEnum
from typing import ClassVar

from app.core.errors import TakeupError


class Policy(StrEnum):
    """What becomes of a scene after this failure."""

    RETRY = "retry"  # back off, then try again
    FRESH = "fresh"  # the same, with a new extraction
    COOL = "cool"  # the same, but wait as long as the host asks
    ONCE = "once"  # one more attempt, then a person must look
    USER = "user"  # a person must change something
    NEVER = "never"


class Blame(StrEnum):
    """Whose failure it is: what fails again and again is left alone for a while (services/admission.py)."""

    NOBODY = "nobody"  # site and bucket have done their part
    SITE = "site"
    BUCKET = "bucket"
    PROXY = "proxy"


class MediaError(TakeupError):
    """A scene's media could not be fetched, stored or read."""

    policy: ClassVar[Policy] = Policy.RETRY
    blame: ClassVar[Blame] = Blame.NOBODY
    status = 422

    def failure(self) -> dict[str, str | bool]:
        """The form in which a scene's document keeps it."""
        return {
            "code": self.code,
            "message": self.sentence,
            "hint": self.hint,
            "retryable": self.policy not in {Policy.USER, Policy.NEVER},
        }


class InvalidLinkError(MediaError):
    code = "link.invalid"
    message = "This is not a link that Takeup can fetch."
    hint = "Use a full address that begins with http:// or https://."
    policy = Policy.USER


class UnsupportedLinkError(MediaError):
    code = "link.unsupported"
    message = "There is no video, audio or image at this link that Takeup knows how to fetch."
    hint = "Open the page, and copy the link of the media itself."
    policy = Policy.USER


class BlockedAddressError(MediaError):
    code = "link.blocked_address"
    message = "This link leads to an address that Takeup may not reach."
    hint = "Use a public link; an operator can allow a network with TAKEUP_ALLOW_NETWORKS."
    policy = Policy.USER


class LinkNotFoundError(MediaError):
    code = "link.not_found"
    message = "There is nothing at this link any more."
    hint = "Check the link in a browser, then edit it."
    policy = Policy.USER


class ConnectionFailedError(MediaError):
    code = "fetch.connection"
    message = "The site could not be reached."
    hint = "It is tried again by itself; check that the site is up."
    blame = Blame.SITE


class FetchTimeoutError(MediaError):
    code = "fetch.timeout"
    message = "The download took longer than is allowed."
    hint = "It is tried again by itself; a shorter or smaller version may do."


class StalledError(MediaError):
    code = "fetch.stalled"
    message = "The site stopped sending."
    hint = "It is tried again by itself."
    blame = Blame.SITE


class TruncatedError(MediaError):
    code = "fetch.truncated"
    message = "The site ended the download before the end of the file."
    hint = "It is tried again by itself."


class ServerFaultError(MediaError):
    code = "fetch.server_error"
    message = "The site answered with an error of its own."
    hint = "It is tried again by itself."
    blame = Blame.SITE


class ExpiredAddressError(MediaError):
    code = "fetch.expired"
    message = "The address that the site gave for the media is no longer valid."
    hint = "It is looked up anew by itself."
    policy = Policy.FRESH


class SourceChangedError(MediaError):
    code = "fetch.source_changed"
    message = "The file at the link changed while it was being fetched."
    hint = "It is fetched anew by itself."
    policy = Policy.FRESH


class RateLimitedError(MediaError):
    code = "fetch.rate_limited"
    message = "The site asks for fewer requests."
    hint = "It is tried again by itself, later."
    policy = Policy.COOL
    blame = Blame.SITE

    def __init__(self, detail: str | None = None, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class EgressProxyError(MediaError):
    code = "fetch.proxy"
    message = "The proxy that this server reaches sites through does not work."
    hint = "It is tried again by itself; an operator must check TAKEUP_EGRESS_PROXY, and `takeup doctor` tells more."
    blame = Blame.PROXY


class LoginRequiredError(MediaError):
    code = "fetch.login_required"
    message = "The site wants a login to show this."
    hint = "Use a link that is open to everybody."
    policy = Policy.USER


class PrivateContentError(MediaError):
    code = "content.private"
    message = "The owner made this private."
    hint = "Ask the owner to publish it, or use another link."
    policy = Policy.USER


class RemovedContentError(MediaError):
    code = "content.removed"
    message = "The site says that this was removed."
    hint = "Use another link."
    policy = Policy.USER


class RegionLockedError(MediaError):
    code = "content.region"
    message = "The site does not show this in the server's country."
    hint = "Use another link."
    policy = Policy.USER


class AgeRestrictedError(MediaError):
    code = "content.age"
    message = "The site asks for an age check to show this."
    hint = "Use another link."
    policy = Policy.USER


class PaidContentError(MediaError):
    code = "content.paid"
    message = "The site shows this only to those who pay."
    hint = "Use another link."
    policy = Policy.USER


class ProtectedContentError(MediaError):
    code = "content.drm"
    message = "This is protected against copying (DRM)."
    hint = "Use another link."
    policy = Policy.USER


class LiveContentError(MediaError):
    code = "content.live"
    message = "This is a live stream, or has not begun yet."
    hint = "Add it again when the recording is published."
    policy = Policy.USER


class TooLargeError(MediaError):
    code = "content.too_large"
    message = "The file is larger than this server takes."
    hint = "Use a smaller version; an operator can raise TAKEUP_MAX_BYTES."
    policy = Policy.USER


class TooLongError(MediaError):
    code = "content.too_long"
    message = "The media is longer than this server takes."
    hint = "Use a shorter version; an operator can raise TAKEUP_MAX_DURATION_SECONDS."
    policy = Policy.USER


class EmptyContentError(MediaError):
    code = "content.empty"
    message = "The link answers, but sends no data."
    hint = "Check the link in a browser, then edit it."
    policy = Policy.USER


class NotMediaError(MediaError):
    code = "media.not_media"
    message = "The file holds no video, audio or image."
    hint = "Use the link of the media itself."
    policy = Policy.USER


class MalformedMediaError(MediaError):
    code = "media.malformed"
    message = "The file is damaged and cannot be played."
    hint = "Check that it plays at its source, then use another link."
    policy = Policy.USER


class UnsafeMediaError(MediaError):
    code = "media.unsafe"
    message = "The file asks for more memory or time than is safe to give it."
    hint = "Use a smaller version of it."
    policy = Policy.USER


class StorageUnavailableError(MediaError):
    code = "storage.unavailable"
    message = "The storage bucket did not answer."
    hint = "It is tried again by itself; an operator finds the cause with `takeup doctor`."
    blame = Blame.BUCKET


class StorageDeniedError(MediaError):
    code = "storage.denied"
    message = "The storage bucket refused the server's credentials."
    hint = "An operator must check S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY and their rights."
    policy = Policy.USER
    blame = Blame.BUCKET


class NoBucketError(MediaError):
    code = "storage.no_bucket"
    message = "The storage bucket does not exist."
    hint = "An operator must create it, or correct S3_BUCKET."
    policy = Policy.USER
    blame = Blame.BUCKET


class DiskFullError(MediaError):
    code = "worker.disk_full"
    message = "The server's disk is full."
    hint = "It is tried again by itself when there is space."


class WorkerCrashedError(MediaError):
    code = "worker.crashed"
    message = "Every attempt ended without an answer: the worker died each time."
    hint = "Something in this file may be harmful; an operator finds more in the worker's log."
    policy = Policy.NEVER


class ExtractorOutdatedError(MediaError):
    code = "extractor.outdated"
    message = "The site has changed, and this server's yt-dlp does not know it yet."
    hint = "An operator must update yt-dlp; `takeup doctor` shows its age."
    policy = Policy.ONCE


class ExtractorFailedError(MediaError):
    code = "extractor.failed"
    message = "yt-dlp knows this site, but could not get the media."
    hint = "Check that it plays in a browser; an update of yt-dlp may help."
    policy = Policy.ONCE


class InternalError(MediaError):
    code = "internal"
    message = "Something went wrong inside Takeup."
    hint = "It is tried again by itself; an operator finds the cause in the worker's log."


def _leaves(root: type[MediaError]) -> list[type[MediaError]]:
    return [leaf for child in root.__subclasses__() for leaf in (child, *_leaves(child))]


MEDIA_ERRORS: dict[str, type[MediaError]] = {error.code: error for error in _leaves(MediaError)}
"""Every media error by its code: how a child process's answer becomes an exception again."""

"""The root of the error tree, and every way a request can be refused; `media_errors.py` tells why a scene fails.

A class is one code. `code` is stable and public, `message` says what happened, `hint` what to do about it,
and `status` is the HTTP status where the error answers a request.
"""

from typing import ClassVar


class TakeupError(Exception):
    """The root. `detail` adds what is known of this one case to the class's message."""

    code: ClassVar[str] = "internal"
    message: ClassVar[str] = "Something went wrong inside Takeup."
    hint: ClassVar[str] = "Try again; if it stays, the log has the cause under this code."
    status: ClassVar[int] = 500

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.message)
        self.detail = detail

    @property
    def sentence(self) -> str:
        """The message, with the case's own detail behind it."""
        return f"{self.message} {self.detail}" if self.detail else self.message


class RequestError(TakeupError):
    """A request that cannot be served as it stands."""


class InvalidRequestError(RequestError):
    code = "request.invalid"
    message = "The request does not have the expected form."
    hint = "Compare it with the API's description at /docs."
    status = 422


class InvalidCursorError(RequestError):
    code = "request.invalid_cursor"
    message = "The cursor is not one that this list gave out."
    hint = "Start again without a cursor."
    status = 422


class BodyTooLargeError(RequestError):
    code = "request.too_large"
    message = "The request's body is too large."
    hint = "Send less at once."
    status = 413


class UnauthorizedError(RequestError):
    code = "auth.key_required"
    message = "This server needs an API key."
    hint = "Send it as `Authorization: Bearer ...`, or sign in; `takeup keys create NAME` makes one."
    status = 401


class WrongKeyError(RequestError):
    code = "auth.wrong_key"
    message = "This server does not know that API key."
    hint = "Copy all of it once more; if it stays, it was revoked, and you need another."
    status = 401


class ForbiddenOriginError(RequestError):
    code = "auth.foreign_origin"
    message = "This server does not answer foreign pages, names or machines."
    hint = "Open the page by the server's own address; while no API key exists, that is 127.0.0.1 or localhost."
    status = 403


class ProjectNotFoundError(RequestError):
    code = "project.not_found"
    message = "There is no such project."
    hint = "It may have been deleted; list the projects to see which there are."
    status = 404


class SceneNotFoundError(RequestError):
    code = "scene.not_found"
    message = "There is no such scene in this project."
    hint = "It may have been deleted; read the project to see its scenes."
    status = 404


class NoMediaError(RequestError):
    code = "scene.no_link"
    message = "The scene has no link, so there is no media to act on."
    hint = "Give it a link first."
    status = 409


class NotStoredError(RequestError):
    code = "media.not_stored"
    message = "This variant of the media is not stored."
    hint = "Wait until the scene is ready, or ask for another variant."
    status = 404


class NotCancelableError(RequestError):
    code = "media.not_running"
    message = "There is nothing to cancel: the media is not on its way."
    hint = "Read the scene again for its present state."
    status = 409


class NotRetryableError(RequestError):
    code = "media.not_failed"
    message = "Only media that failed or was canceled can be tried again."
    hint = "Read the scene again; to fetch a stored link anew, store it with `force`."
    status = 409


class NotRestorableError(RequestError):
    code = "deletion.final"
    message = "The time in which this deletion could be undone is over."
    hint = "Add the link again."
    status = 409


class EditConflictError(RequestError):
    code = "request.edit_conflict"
    message = "Somebody else has edited this since you read it."
    hint = "Read it again, and send your change with its present version in If-Match."
    status = 412


class InvalidVersionError(RequestError):
    code = "request.invalid_version"
    message = "The If-Match header does not hold a version."
    hint = "Send the `version` that you have read, in double quotes, or leave the header out."
    status = 422


class SceneBusyError(RequestError):
    code = "scene.busy"
    message = "Others were changing this scene at the same moment, again and again."
    hint = "Try again in a moment."
    status = 409


class IdempotencyKeyReusedError(RequestError):
    code = "request.key_reused"
    message = "This Idempotency-Key was sent before with another request."
    hint = "Use a new key for a new request."
    status = 422


class IdempotencyInProgressError(RequestError):
    code = "request.in_progress"
    message = "A request with this Idempotency-Key is still being served."
    hint = "Wait a moment, then send it again with the same key."
    status = 409


class UnavailableError(RequestError):
    code = "system.unavailable"
    message = "The database does not answer."
    hint = "Try again in a moment; `takeup doctor` tells what is wrong."
    status = 503


class ResolutionNotFoundError(RequestError):
    code = "resolve.not_found"
    message = "There is no such resolution, or its time is over."
    hint = "Ask for the link again; an answer is kept for a quarter of an hour."
    status = 404


class TooManyResolutionsError(RequestError):
    code = "resolve.too_many"
    message = "Too many links of this workspace are being looked at already."
    hint = "Wait until some of them have their answer, then ask again."
    status = 429


class ResolutionError(TakeupError):
    """Why a resolution, which is no request any more, has no answer."""

    def failure(self) -> dict[str, str | bool]:
        """The form in which its document keeps it."""
        return {"code": self.code, "message": self.sentence, "hint": self.hint, "retryable": True}


class ResolutionTimeoutError(ResolutionError):
    code = "resolve.timeout"
    message = "The site did not tell in time what it has there."
    hint = (
        "Ask again in a minute, or store it, which may take longer; TAKEUP_RESOLVE_SECONDS is an operator's to raise."
    )
    status = 504


class ResolutionUnansweredError(ResolutionError):
    code = "resolve.unanswered"
    message = "No worker had time to look at this link."
    hint = "Ask again, or store it, which waits for its turn; an operator can start more workers."
    status = 503

"""The use case: what is behind a link, without storing it; found out as storing would, and behind the same guard."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from logging import getLogger
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from app.core.config import Settings
from app.core.database import Document, Sync, server_now_sync
from app.core.errors import ResolutionError, ResolutionTimeoutError, ResolutionUnansweredError
from app.core.media_errors import (
    DiskFullError,
    EgressProxyError,
    InternalError,
    MediaError,
    TooLongError,
    WorkerCrashedError,
)
from app.core.shutdown import stopping_for
from app.crud import crud_resolution
from app.crud.crud_hold import find_holds, held_until_ms
from app.crud.crud_resolution import Claim
from app.models.media import milliseconds
from app.models.resolution import MediaDescription, ResolutionStatus
from app.services.admission import site_of
from app.services.fetch import description
from app.services.fetch.direct import open_direct
from app.services.fetch.exchange import Limits
from app.services.fetch.extract import Extraction, described
from app.services.fetch.guard import Guard
from app.services.fetch.source import Source
from app.services.glance import glance
from app.services.lease import HandOverError

_BATCH = 500
_ENDING_SECONDS = 10.0
"""What a worker is given beyond its time to end, and to write down what it found."""

_TICK_SECONDS = 0.2
_OURS = (DiskFullError, EgressProxyError)
"""What tells nothing of the link: a resolution that meets it has failed, any other error is its answer."""

_OUR_HINT = (
    "Ask again in a minute; if it stays, an operator finds the cause with `takeup doctor` or in the worker's log."
)
"""A scene is tried again by itself, a resolution is not."""

log = getLogger(__name__)

Found = tuple[MediaDescription | None, dict[str, Any] | None]
"""What there is, and what speaks against storing it (as a scene's document keeps it)."""


@dataclass(frozen=True)
class Resolver:
    """What the use case works with."""

    database: Sync
    settings: Settings

    def run(self, resolution_id: str) -> bool:
        """Answer this resolution, if it waits for that; whether it was given back for another worker."""
        seconds = min(self.settings.takeup_resolve_seconds, self.settings.takeup_job_seconds)
        claim = crud_resolution.claim(self.database, resolution_id, seconds + _ENDING_SECONDS)
        if claim is None:
            return False
        try:
            media, error = self._look(claim, seconds)
        except HandOverError:
            due_ms = milliseconds(server_now_sync(self.database), self.settings.takeup_claim_grace_seconds)
            return crud_resolution.give_back(self.database, claim, due_ms)
        except ResolutionError as failure:
            self._answer(claim, ResolutionStatus.FAILED, None, failure.failure())
        except _OURS as failure:
            self._answer(claim, ResolutionStatus.FAILED, None, {**failure.failure(), "hint": _OUR_HINT})
        except MediaError as failure:
            self._answer(claim, ResolutionStatus.RESOLVED, None, failure.failure())
        except Exception:
            log.exception("resolution %s broke", resolution_id)
            self._answer(claim, ResolutionStatus.FAILED, None, {**InternalError().failure(), "hint": _OUR_HINT})
        else:
            self._answer(claim, ResolutionStatus.RESOLVED, media, error)
        return False

    def _answer(
        self,
        claim: Claim,
        status: ResolutionStatus,
        media: MediaDescription | None,
        error: dict[str, Any] | None,
    ) -> None:
        found = media.model_dump() if media else None
        crud_resolution.answer(self.database, claim, status, found, error)
        log.info("resolution %s: %s %s", claim.resolution_id, status, error["code"] if error else "")

    def _look(self, claim: Claim, seconds: float) -> Found:
        """As storing would: not while the site is held back, first as the media itself, then through yt-dlp."""
        url = claim.url
        held = find_holds(self.database, [site_of(url)]).get(site_of(url))
        if held and held.error and held_until_ms(held, server_now_sync(self.database)):
            return None, dict(held.error)
        settings = self.settings
        limits = Limits(settings.takeup_max_bytes, seconds, min(settings.takeup_read_timeout_seconds, seconds))
        guard = Guard.of_settings(settings)
        with _Watch(seconds) as watch:
            try:
                source = open_direct(url, guard, limits, watch.on_open)
            except MediaError:
                watch.check()  # what the watch ended is no failure of the source
                raise
            if source is not None:
                return self._described(source, seconds, watch)
            extraction = Extraction(
                url=url,
                limits=limits,
                guard=guard,
                max_duration_seconds=settings.takeup_max_duration_seconds,
                max_playlist_entries=settings.takeup_max_playlist_entries,
                max_height=settings.height_cap(claim.max_height),
                scratch=settings.scratch_dir,
                keep_free_bytes=settings.takeup_min_free_bytes,
            )
            media, error = described(extraction, watch.check)
        if isinstance(error, _OURS):
            raise error
        return media, error.failure() if error else None

    def _described(self, source: Source, seconds: float, watch: "_Watch") -> Found:
        """A file, by its first bytes and, where it can be read in pieces, by those that tell how long it is."""
        with closing(source):
            probe = glance(source.ranged, seconds / 2, watch.check) if source.ranged else None
        media = description.of_source(source, probe or {})
        too_long = (media.duration_s or 0) > self.settings.takeup_max_duration_seconds
        return media, TooLongError().failure() if too_long else None


class _Watch:
    """Ends what is under way when its time is over, or the worker is told to stop."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._done = Event()
        self._end: Callable[[], None] = lambda: None
        self._thread = Thread(target=self._keep, name="resolve", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Raises `ResolutionTimeoutError` and `HandOverError`."""
        if stopping_for() is not None:
            raise HandOverError
        if time.monotonic() > self._deadline:
            raise ResolutionTimeoutError

    def on_open(self, end: Callable[[], None]) -> None:
        """`end` ends the request that is about to be sent."""
        self._end = end

    def _keep(self) -> None:
        while not self._done.wait(_TICK_SECONDS):
            if stopping_for() is not None or time.monotonic() > self._deadline:
                self._end()


def settle_resolutions(database: Sync, settings: Settings, ring: Callable[[str], object]) -> None:
    """Ring again for what waits too long, end what cannot be answered, and drop what is over.

    Rounds may overlap or be killed: each step is a conditional write, and a message too many is dropped by the claim.
    """
    now = server_now_sync(database)
    for resolution in crud_resolution.without_answer(database, now, _BATCH):
        failure = _hopeless(resolution, milliseconds(now))
        if failure is not None:
            crud_resolution.give_up(database, resolution, failure)
        elif crud_resolution.wait_again(database, resolution, milliseconds(now, settings.takeup_claim_grace_seconds)):
            ring(resolution["_id"])
    crud_resolution.forget_expired(database, now)


def _hopeless(resolution: Document, now_ms: int) -> dict[str, Any] | None:
    """Why nobody shall try any more; None where somebody shall."""
    if resolution["attempt"] >= crud_resolution.MAX_ATTEMPTS:
        return WorkerCrashedError().failure()
    if resolution["created_ms"] + crud_resolution.PATIENCE_SECONDS * 1000 <= now_ms:
        return ResolutionUnansweredError().failure()
    return None

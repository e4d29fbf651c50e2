"""Whether a scene may begin now: not while bucket or proxy fail us, the disk is full, or its site is failing.

A hold is a circuit breaker. Bucket, proxy and disk are tried by us, before a scene is claimed, so an outage costs no
scene an attempt; a site is tried by one of its scenes, while the others wait. Nobody has to lift a hold by hand.
"""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from logging import getLogger
from urllib.parse import urlsplit

from app.core.config import Settings
from app.core.database import Document, Sync, server_now_sync
from app.core.media_errors import Blame, DiskFullError, MediaError, Policy, StorageUnavailableError
from app.crud import crud_hold, crud_lease
from app.crud.crud_hold import BUCKET, DISK, PROXY, SITE, Hold, held_until_ms
from app.models.media import WAITING, Status, milliseconds
from app.services.fetch.guard import Guard
from app.services.retry import asked_delay, grown_delay
from app.services.storage.bucket import Bucket

_BUCKET_FAILURES = 3
_PROXY_TRIAL_SECONDS = 10.0
_SYSTEM_HOLD_SECONDS = 60.0
_SITE_HOLD_SECONDS = 300.0
_UNTRIED_FIRST = (0.0, 0.1)
_TRIED_LATER = (0.3, 0.6)
"""Shares of a hold that a scene waits beyond it: one that has failed itself leaves the trial to those that have not."""

log = getLogger(__name__)


@dataclass(frozen=True)
class Admission:
    """One worker's view of what is held. `machine` names the machine whose disk it shares with other workers."""

    database: Sync
    bucket: Bucket
    settings: Settings
    machine: str

    def admits(self, scene: Document) -> bool:
        """Whether the scene may be claimed; one that has to wait shows for what, unless all wait."""
        site, disk = site_of(scene["media"]["source_url"]), DISK + self.machine
        holds = crud_hold.find_holds(self.database, [disk, BUCKET, PROXY, site])
        return (
            self._disk_has_room(scene, holds.get(disk) or Hold(disk))
            and self._serves(holds.get(BUCKET), self.bucket.try_write)
            and self._serves(holds.get(PROXY), self._try_proxy)
            and self._site_serves(scene, holds.get(site))
        )

    def _disk_has_room(self, scene: Document, hold: Hold) -> bool:
        self.settings.scratch_dir.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.settings.scratch_dir).free >= self.settings.takeup_min_free_bytes:
            if hold.until_ms is not None:
                crud_hold.lift(self.database, hold.subject)
            return True
        now = server_now_sync(self.database)
        until_ms = milliseconds(now, _SYSTEM_HOLD_SECONDS)
        reason = DiskFullError().failure()
        crud_hold.put_hold(self.database, hold, reason, now, until_ms)
        crud_lease.explain(self.database, scene, reason, milliseconds(now, self.settings.takeup_claim_grace_seconds))
        return False

    def _try_proxy(self) -> None:
        proxy = Guard.of_settings(self.settings).proxy
        if proxy is not None:
            proxy.check(_PROXY_TRIAL_SECONDS)

    def _serves(self, hold: Hold | None, attempt: Callable[[], None]) -> bool:
        """Whether what everybody needs works, so far as we know; where its hold has run out, `attempt` tells."""
        if hold is None or hold.until_ms is None:
            return True
        now = server_now_sync(self.database)
        if held_until_ms(hold, now) or not crud_hold.take_trial(self.database, hold, self._next_trial_ms(hold)):
            return False
        try:
            attempt()
        except MediaError as error:
            crud_hold.count_failure(self.database, hold.subject)
            crud_hold.put_hold(self.database, hold, error.failure(), now, self._next_trial_ms(hold))
            return False
        crud_hold.lift(self.database, hold.subject)
        log.info("the %s serves again", hold.subject)
        return True

    def _next_trial_ms(self, hold: Hold) -> int:
        delay = min(grown_delay(max(1, hold.failures - _BUCKET_FAILURES), self.settings), _SYSTEM_HOLD_SECONDS)
        return milliseconds(server_now_sync(self.database), delay)

    def _site_serves(self, scene: Document, hold: Hold | None) -> bool:
        if hold is None or hold.until_ms is None:
            return True
        now = server_now_sync(self.database)
        until_ms = held_until_ms(hold, now)
        if until_ms is None:
            until_ms = milliseconds(now, 2 * self.settings.takeup_retry_base_seconds)
            if crud_hold.take_trial(self.database, hold, until_ms):
                return True
        media = scene["media"]
        if hold.error is not None and media["status"] in WAITING:
            share = random.uniform(*(_TRIED_LATER if media["attempt"] else _UNTRIED_FIRST))
            later_ms = until_ms + int(share * (until_ms - milliseconds(now)))
            due_ms = max(later_ms, media["due_ms"]) if media["status"] == Status.RETRYING else later_ms
            crud_lease.hold_back(self.database, scene, hold.error, due_ms)
        return False

    def succeeded(self, source_url: str) -> None:
        """The site, the bucket and the way there have just served."""
        for subject in crud_hold.find_holds(self.database, [BUCKET, PROXY, site_of(source_url)]):
            crud_hold.lift(self.database, subject)

    def failed(self, source_url: str, error: MediaError) -> bool:
        """Note whose fault it was; whether everything waits now, so that the scene's attempt must not count."""
        if error.blame is Blame.BUCKET:
            return self._system_failed(BUCKET, error, forgiving=isinstance(error, StorageUnavailableError))
        if error.blame is Blame.PROXY:
            return self._system_failed(PROXY, error, forgiving=False)
        if error.blame is Blame.SITE:
            self._site_failed(site_of(source_url), error)
        else:
            crud_hold.lift(self.database, site_of(source_url))
        return False

    def _system_failed(self, subject: str, error: MediaError, *, forgiving: bool) -> bool:
        """Hold the queue: at once, or where that is `forgiving` after a few failures in a row."""
        hold = crud_hold.count_failure(self.database, subject)
        if hold.until_ms is None and forgiving and hold.failures < _BUCKET_FAILURES:
            return False
        now = server_now_sync(self.database)
        crud_hold.put_hold(self.database, hold, error.failure(), now, self._next_trial_ms(hold))
        log.error("the queue waits: %s", error)
        return True

    def _site_failed(self, subject: str, error: MediaError) -> None:
        hold = crud_hold.count_failure(self.database, subject)
        beyond = hold.failures - self.settings.takeup_host_failures
        if error.policy is not Policy.COOL and beyond < 0:
            return
        grown = min(grown_delay(max(1, beyond + 2), self.settings), _SITE_HOLD_SECONDS)
        seconds = max(grown, asked_delay(error, self.settings))
        now = server_now_sync(self.database)
        crud_hold.put_hold(self.database, hold, error.failure(), now, milliseconds(now, seconds))
        log.warning("%s is held back for %.0f s: %s", subject, seconds, error)


def site_of(source_url: str) -> str:
    """The subject of a link's site: its host, and its port where it names one."""
    return SITE + urlsplit(source_url).netloc.rpartition("@")[2].lower()

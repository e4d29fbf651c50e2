"""Whether a scene may begin now: not while the bucket refuses us, the disk is full, or its site is failing.

A hold is a circuit breaker. The bucket and the disk are tried by us, before a scene is claimed, so an outage costs no
scene an attempt; a site is tried by one of its scenes, while the others wait. Nobody has to lift a hold by hand.
"""

import random
import shutil
from dataclasses import dataclass
from logging import getLogger
from urllib.parse import urlsplit

from app.core.config import Settings
from app.core.database import Document, Sync, server_now_sync
from app.core.media_errors import Blame, DiskFullError, MediaError, Policy, StorageUnavailableError
from app.crud import crud_hold, crud_lease
from app.crud.crud_hold import BUCKET, DISK, SITE, Hold, held_until_ms
from app.models.media import WAITING, Status, milliseconds
from app.services.retry import asked_delay, grown_delay
from app.services.storage.bucket import Bucket

_BUCKET_FAILURES = 3
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
        """Whether the scene may be claimed; one whose site is held waits until then, and shows why."""
        site, disk = site_of(scene["media"]["source_url"]), DISK + self.machine
        holds = crud_hold.find_holds(self.database, [disk, BUCKET, site])
        return (
            self._disk_has_room(holds.get(disk) or Hold(disk))
            and self._bucket_serves(holds.get(BUCKET))
            and self._site_serves(scene, holds.get(site))
        )

    def _disk_has_room(self, hold: Hold) -> bool:
        self.settings.scratch_dir.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.settings.scratch_dir).free >= self.settings.takeup_min_free_bytes:
            if hold.until_ms is not None:
                crud_hold.lift(self.database, hold.subject)
            return True
        now = server_now_sync(self.database)
        until_ms = milliseconds(now, _SYSTEM_HOLD_SECONDS)
        crud_hold.put_hold(self.database, hold, DiskFullError().failure(), now, until_ms)
        return False

    def _bucket_serves(self, hold: Hold | None) -> bool:
        if hold is None or hold.until_ms is None:
            return True
        now = server_now_sync(self.database)
        if held_until_ms(hold, now) or not crud_hold.take_trial(self.database, hold, self._next_trial_ms(hold)):
            return False
        try:
            self.bucket.try_write()
        except MediaError as error:
            crud_hold.count_failure(self.database, BUCKET)
            crud_hold.put_hold(self.database, hold, error.failure(), now, self._next_trial_ms(hold))
            return False
        crud_hold.lift(self.database, BUCKET)
        log.info("the bucket serves again")
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
        """The site and the bucket have just served."""
        for subject in crud_hold.find_holds(self.database, [BUCKET, site_of(source_url)]):
            crud_hold.lift(self.database, subject)

    def failed(self, source_url: str, error: MediaError) -> bool:
        """Note whose fault it was; whether everything waits now, so that the scene's attempt must not count."""
        if error.blame is Blame.BUCKET:
            return self._bucket_failed(error)
        if error.blame is Blame.SITE:
            self._site_failed(site_of(source_url), error)
        else:
            crud_hold.lift(self.database, site_of(source_url))
        return False

    def _bucket_failed(self, error: MediaError) -> bool:
        hold = crud_hold.count_failure(self.database, BUCKET)
        refused = not isinstance(error, StorageUnavailableError)
        if hold.until_ms is None and not refused and hold.failures < _BUCKET_FAILURES:
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

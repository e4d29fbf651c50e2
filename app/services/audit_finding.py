"""What an audit finds, and what every part of it works with."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from logging import getLogger
from typing import Literal

from app.core.config import Settings
from app.core.database import DatabaseError, Document, Sync, server_now_sync
from app.core.errors import TakeupError
from app.crud.crud_scene import find_scene_sync
from app.models.media import milliseconds
from app.services.storage.bucket import Bucket
from app.services.sweep import Ownership

log = getLogger(__name__)


class Kind(StrEnum):
    """What may be wrong between the database, the bucket and the disk."""

    ORPHAN_OBJECT = "orphan_object"
    STRAY_OBJECT = "stray_object"
    MISSING_OBJECT = "missing_object"
    ORPHAN_UPLOAD = "orphan_upload"
    SCRATCH_FOLDER = "scratch_folder"
    IMPOSSIBLE_STATE = "impossible_state"


_DELETES_FILES = frozenset({Kind.ORPHAN_OBJECT, Kind.STRAY_OBJECT, Kind.ORPHAN_UPLOAD})


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    `where` is a key, a folder or the id of a scene; `bytes` is what it holds, or what is missing there; `remedy` is
    what mends it; `reason` says why that failed.
    """

    kind: Kind
    where: str
    bytes: int
    detail: str
    remedy: str
    outcome: Literal["found", "fixed", "failed"] = "found"
    reason: str = ""


@dataclass
class Counts:
    """How far an audit is."""

    projects: int = 0
    scenes: int = 0
    objects: int = 0
    uploads: int = 0


@dataclass(frozen=True)
class Auditor:
    """The servers, and the rules of one audit: what is younger than `grace` is left alone, `fix` mends what is found.

    Where `spare_files` is set, nothing is deleted from the bucket.
    """

    database: Sync
    bucket: Bucket
    settings: Settings
    grace: timedelta
    fix: bool
    spare_files: bool = False
    counts: Counts = field(default_factory=Counts)

    def now(self) -> datetime:
        return server_now_sync(self.database)

    def is_young(self, moment: datetime) -> bool:
        return moment > self.now() - self.grace

    def owner_of(self, project_id: str, scene_id: str) -> Ownership | None:
        """What the scene owns now; None where it is not for us to judge."""
        return self.judge(project_id, scene_id, find_scene_sync(self.database, scene_id))

    def judge(self, project_id: str, scene_id: str, scene: Document | None) -> Ownership | None:
        """What the document says that its scene owns.

        None where the reconciler is about to clean up there, or where the document is broken.
        """
        if scene is not None and self._awaits_reconciler(scene):
            return None
        try:
            owner = Ownership.of(project_id, scene_id, scene)
        except (KeyError, TypeError):
            return None
        return owner if isinstance(owner.generation, int | float) else None

    def _awaits_reconciler(self, scene: Document) -> bool:
        """Whether a sweep or a deletion is noted, and not overdue for longer than the grace."""
        if not self.grace:
            return False
        noted = ((scene.get("sweep") or {}).get("at_ms"), (scene.get("deletion") or {}).get("purge_ms"))
        earliest = milliseconds(self.now() - self.grace)
        return any(isinstance(at_ms, int | float) and at_ms > earliest for at_ms in noted)

    def settle(self, finding: Finding, mend: Callable[[], object]) -> Finding:
        """The finding as it is, or with what became of mending it."""
        if not self.fix:
            return finding
        if self.spare_files and finding.kind in _DELETES_FILES:
            return replace(finding, outcome="failed", reason="the database is empty: is it the right one?")
        try:
            mend()
        except TakeupError as error:
            return replace(finding, outcome="failed", reason=error.sentence)
        except (DatabaseError, OSError) as error:
            log.debug("%s: mending failed", finding.where, exc_info=True)
            return replace(finding, outcome="failed", reason=str(error).partition(",")[0])
        return replace(finding, outcome="fixed")

"""Leaving no file behind: what lies under a scene's prefix and belongs to no state of that scene is removed.

What a scene owns follows from its document alone, so anybody may sweep at any time, twice, or after a crash.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from logging import getLogger
from pathlib import Path

from app.core.database import Document, Sync, server_now_sync
from app.core.media_errors import MediaError
from app.crud import crud_backlog, crud_deletion
from app.crud.crud_scene import SWEEP_DELAY_SECONDS, find_scene_sync, is_in_flight
from app.models.media import IN_FLIGHT, Status, milliseconds
from app.services.fetch.scratch import sweep_scratch
from app.services.storage import keys
from app.services.storage.bucket import Bucket

_UPLOAD_AGE = timedelta(hours=1)
_BATCH = 500

log = getLogger(__name__)


@dataclass(frozen=True)
class Ownership:
    """What one scene owns of its prefix, as its document said at one moment."""

    prefix: str
    generation: float
    whole_generation: bool
    objects: frozenset[str]

    @classmethod
    def of(cls, project_id: str, scene_id: str, document: Document | None) -> "Ownership":
        prefix = keys.scene_prefix(project_id, scene_id)
        if document is None or (document["deletion"] and document["deletion"]["final"]):
            return cls(prefix, float("inf"), whole_generation=False, objects=frozenset())
        media = document["media"]
        if media is None:
            generation = document.get("last_generation", 0)
            return cls(prefix, generation, whole_generation=False, objects=frozenset())
        stored = media["status"] == Status.READY
        parts = [media["original"], media["poster"]] if stored else []
        return cls(
            prefix,
            media["generation"],
            whole_generation=media["status"] in IN_FLIGHT,
            objects=frozenset(part["key"] for part in parts if part),
        )

    def owns(self, key: str, *, upload: bool) -> bool:
        """A later generation than the document knew is somebody else's to judge."""
        head = key.removeprefix(self.prefix).partition("/")[0]
        generation = int(head) if head.isdigit() else 0
        if generation != self.generation:
            return generation > self.generation
        return self.whole_generation or (not upload and key in self.objects)


def sweep_scene(database: Sync, bucket: Bucket, project_id: str, scene_id: str) -> int:
    """Remove every object and multipart upload of the scene that it does not own; how many."""
    ownership = Ownership.of(project_id, scene_id, find_scene_sync(database, scene_id))
    strays = [key for key in bucket.keys(ownership.prefix) if not ownership.owns(key, upload=False)]
    bucket.delete(strays)
    uploads = [item for item in bucket.open_uploads(ownership.prefix) if not ownership.owns(item.key, upload=True)]
    for item in uploads:
        bucket.abort_upload(item.key, item.upload_id)
    return len(strays) + len(uploads)


def finish_deletion(database: Sync, bucket: Bucket, scene: Document, now: datetime) -> bool:
    """Empty a deleted scene's prefix, and remove the document once no worker can be writing there any more."""
    if not crud_deletion.make_final(database, scene):
        return False
    sweep_scene(database, bucket, scene["project_id"], scene["_id"])
    if _may_be_written(scene, now):
        return False
    crud_deletion.remove_scene(database, scene["_id"])
    return True


def _may_be_written(scene: Document, now: datetime) -> bool:
    """Whether a worker holds the scene, or lost it so lately that a write of its may still be under way."""
    sweep = scene.get("sweep")
    if sweep and sweep["at_ms"] > milliseconds(now):
        return True
    leased = bool(scene["media"] and scene["media"]["lease"])
    return leased and now < scene["deletion"]["at"] + timedelta(seconds=SWEEP_DELAY_SECONDS)


def sweep_disk(database: Sync, scratch: Path) -> None:
    """Remove what jobs left on this machine that no attempt will go on with."""
    sweep_scratch(scratch, partial(is_in_flight, database))


def clean_up(database: Sync, bucket: Bucket) -> None:
    """Finish the deletions and sweeps that are due; one that fails is left for later, and holds up no other."""
    now = server_now_sync(database)
    for scene in crud_deletion.due_deletions(database, now, _BATCH):
        with _left_for_later(scene):
            finish_deletion(database, bucket, scene, now)
    for scene in crud_backlog.due_sweeps(database, now, _BATCH):
        with _left_for_later(scene):
            sweep_scene(database, bucket, scene["project_id"], scene["_id"])
            crud_backlog.clear_sweep(database, scene)


@contextmanager
def _left_for_later(scene: Document) -> Iterator[None]:
    try:
        yield
    except MediaError as error:
        log.warning("scene %s: cleaning up waits for the bucket: %s", scene["_id"], error)
    except (KeyError, TypeError):
        log.exception("scene %s: its document is not as it should be; `takeup audit` tells more", scene["_id"])


def sweep_once(database: Sync, bucket: Bucket, scene_id: str) -> None:
    """What a bell for one scene's leftovers asks for."""
    scene = find_scene_sync(database, scene_id)
    if scene is not None:
        sweep_scene(database, bucket, scene["project_id"], scene_id)


def abort_unowned_uploads(database: Sync, bucket: Bucket) -> int:
    """Abort the multipart uploads, older than an hour, that no scene owns; how many."""
    now = server_now_sync(database)
    aborted = 0
    for upload in list(bucket.open_uploads(keys.ROOT)):
        scene_id = keys.scene_of(upload.key)
        if scene_id is None or upload.initiated > now - _UPLOAD_AGE:
            continue
        project_id = upload.key.split("/")[1]
        if not Ownership.of(project_id, scene_id, find_scene_sync(database, scene_id)).owns(upload.key, upload=True):
            bucket.abort_upload(upload.key, upload.upload_id)
            aborted += 1
    return aborted

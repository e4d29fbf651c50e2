"""The audit: database against bucket in both directions, multipart uploads, scratch folders, impossible states.

It streams: what it holds in memory grows with the largest project, not with the bucket or the database. The service
may go on working meanwhile, so whatever looks wrong is looked at again before it is told.
"""

from collections.abc import Iterator
from functools import partial
from heapq import merge
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from app.crud import crud_audit
from app.crud.crud_scene import is_in_flight
from app.services.audit_finding import Auditor, Finding, Kind
from app.services.audit_project import ProjectAudit, stray
from app.services.fetch.scratch import abandoned_folders, remove_abandoned
from app.services.storage import keys
from app.services.storage.bucket import ListedObject, OpenUpload, UploadGoneError

_LOCKED_WITHIN_SECONDS = 60.0


def audit(auditor: Auditor) -> Iterator[Finding]:
    """Everything that is wrong, one by one as it is found.

    Raises what database and bucket raise where they do not answer; a mending that fails is a finding's outcome.
    """
    listing = _Listing(auditor)
    for project_id, named_by in _projects(auditor):
        yield from _of_no_document(auditor, listing, project_id)
        scenes = crud_audit.scenes_of(auditor.database, project_id) if "scene" in named_by else ()
        project = ProjectAudit(auditor, project_id, exists="project" in named_by)
        yield from project.run(scenes, listing.of(project_id))
    yield from _of_no_document(auditor, listing, None)
    for upload in auditor.bucket.open_uploads(keys.ROOT):
        auditor.counts.uploads += 1
        yield from _check_upload(auditor, upload)
    yield from _scratch_folders(auditor)


class _Listing:
    """The bucket's one listing, read from project to project."""

    def __init__(self, auditor: Auditor) -> None:
        self._counts = auditor.counts
        self._objects = auditor.bucket.objects(keys.ROOT)
        self.ahead = next(self._objects, None)

    def of(self, project_id: str) -> Iterator[ListedObject]:
        """What lies under the project's prefix, if that comes next."""
        while self.ahead is not None and keys.project_of(self.ahead.key) == project_id:
            yield self.ahead
            self.advance()

    def advance(self) -> None:
        self._counts.objects += 1
        self.ahead = next(self._objects, None)


def _projects(auditor: Auditor) -> Iterator[tuple[str, set[str]]]:
    """Every project that is in the database or that a scene names, in order, and which of the two."""
    named = merge(
        ((project_id, "project") for project_id in crud_audit.project_ids(auditor.database)),
        ((project_id, "scene") for project_id in crud_audit.named_project_ids(auditor.database)),
    )
    for project_id, namings in groupby(named, key=itemgetter(0)):
        auditor.counts.projects += 1
        yield project_id, {source for _, source in namings}


def _of_no_document(auditor: Auditor, listing: _Listing, before: str | None) -> Iterator[Finding]:
    """What comes next in the bucket, up to that project (None: up to the end), and belongs to no known project."""
    while (item := listing.ahead) is not None:
        project_id = keys.project_of(item.key)
        if project_id is None:
            yield from stray(auditor, item)
            listing.advance()
        elif before is None or project_id < before:
            yield from ProjectAudit(auditor, project_id, exists=False).run((), listing.of(project_id))
        else:
            return


def _check_upload(auditor: Auditor, upload: OpenUpload) -> Iterator[Finding]:
    if auditor.is_young(upload.initiated):
        return
    place = keys.place_of(upload.key)
    owner = auditor.owner_of(*place) if place else None
    if place and (owner is None or owner.owns(upload.key, upload=True)):
        return
    try:
        size = auditor.bucket.upload_bytes(upload)
    except UploadGoneError:
        return
    detail = "no scene owns it" if place else "no scene can own such a key"
    finding = Finding(Kind.ORPHAN_UPLOAD, upload.key, size, detail, "abort it")
    yield auditor.settle(finding, partial(auditor.bucket.abort_upload, upload.key, upload.upload_id))


def _scratch_folders(auditor: Auditor) -> Iterator[Finding]:
    """What killed jobs left on this machine."""
    oldest = min(auditor.grace.total_seconds(), _LOCKED_WITHIN_SECONDS)
    is_awaited = partial(is_in_flight, auditor.database)
    for folder, size in abandoned_folders(auditor.settings.scratch_dir, is_awaited, oldest):
        finding = Finding(Kind.SCRATCH_FOLDER, str(folder), size, "the job that made it is gone", "remove it")
        yield auditor.settle(finding, partial(_remove, folder))


def _remove(folder: Path) -> None:
    if not remove_abandoned(folder):
        raise OSError("it cannot be removed")

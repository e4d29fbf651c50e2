"""The original of one scene into the bucket: adopted, gone on with, or fetched from its beginning."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from app.core.config import Settings
from app.core.host_limit import host_limit
from app.core.media_errors import MediaError, SourceChangedError, StorageUnavailableError
from app.crud.crud_lease import Claim
from app.models.media import Status
from app.services.adoption import stored_original
from app.services.fetch.direct import expiring, open_direct, reopen
from app.services.fetch.exchange import Limits, Opening
from app.services.fetch.extract import Extraction, ExtractionProgress, extracted, find_file
from app.services.fetch.guard import Guard
from app.services.fetch.ranged import RangedFile
from app.services.fetch.scratch import job_name
from app.services.fetch.source import Source
from app.services.lease import LeaseKeeper
from app.services.resume import Resumable, find_resumable, upload_document
from app.services.storage import keys
from app.services.storage.bucket import Bucket, ObjectExistsError
from app.services.storage.multipart import Stored, Target, Upload, Watcher, store_stream
from app.services.transfer import Connections, complete, go_on, span_of, store_ranged

_RATE_SECONDS = 60.0
"""The time over which a source must reach its least rate."""


@dataclass(frozen=True)
class Acquisition:
    """What one attempt does to have the scene's original in the bucket."""

    bucket: Bucket
    settings: Settings
    claim: Claim
    keeper: LeaseKeeper

    def original(self) -> dict[str, Any]:
        """The document's `original`. Raises `MediaError`s, and what the keeper raises."""
        try:
            return self.adopted() or self._resumed() or self._fetched()
        except ObjectExistsError:
            stored = stored_original(self.bucket, self.claim, self.keeper.check)
            if stored is None:
                raise StorageUnavailableError from None
            self._abort_uploads()
            return stored
        except MediaError:
            self.keeper.check()  # a read that the keeper ended is no failure of the source
            raise

    def adopted(self) -> dict[str, Any] | None:
        """What an earlier attempt stored, and could not write down any more."""
        return None if self.claim.is_first else stored_original(self.bucket, self.claim, self.keeper.check)

    def _resumed(self) -> dict[str, Any] | None:
        """Go on where an earlier attempt was; an upload that cannot be gone on with is aborted."""
        if not self.claim.upload:
            return None
        resumable = find_resumable(self.bucket, self.claim)
        stored = self._go_on(resumable) if resumable else None
        if resumable is None or stored is None:
            self.bucket.abort_upload(self.claim.upload["key"], self.claim.upload["upload_id"])
            return None
        return self._described(resumable.target, stored, self.claim.upload["filename"])

    def _go_on(self, resumable: Resumable) -> Stored | None:
        """None where the link leads to another version of the file by now."""
        version, watcher = resumable.version, _DocumentWatcher(self.keeper)
        if not resumable.missing:
            self._begin(version.length, resumable.bytes)
            return complete(resumable.target, resumable.upload, version.length, watcher)
        with expiring() if resumable.extracted else nullcontext():
            file = self._reopened(resumable)
            if file is None:
                return None
            with closing(file), self._dropped_if_changed():
                self._begin(version.length, resumable.bytes)
                return go_on(resumable.target, file, resumable.upload, watcher, self._connections)

    def _reopened(self, resumable: Resumable) -> RangedFile | None:
        opening = Opening(self._guard, self._limits, self.keeper.on_stop)
        url, version = self.claim.source_url, resumable.version
        if resumable.extracted:
            found = find_file(self._extraction, self.keeper.check)
            if found is None:
                return None
            url, opening = found.url, replace(opening, headers=found.headers)
        return reopen(url, opening, version, *span_of(resumable.missing[0], version.length, resumable.upload.part_size))

    def _begin(self, length: int | None, resumed: int = 0) -> None:
        self.keeper.meter.resume(resumed)
        self.keeper.meter.expect(length)
        self.keeper.advance(Status.DOWNLOADING)

    def _fetched(self) -> dict[str, Any]:
        with self._source() as source:
            claim, media_type = self.claim, source.media_type
            key = keys.original_key(claim.project_id, claim.scene_id, claim.generation, media_type.extension)
            target = Target(self.bucket, key, media_type.content_type)

            def note(upload: Upload) -> None:
                known = upload_document(upload, target, source)
                self.keeper.note_upload(known, another=upload.asked_again)

            watcher = _DocumentWatcher(self.keeper, note, local=source.local)
            with self._dropped_if_changed():
                stored = self._store(target, source, watcher)
            return self._described(target, stored, source.filename)

    def _store(self, target: Target, source: Source, watcher: Watcher) -> Stored:
        if source.ranged is not None:
            return store_ranged(target, source.ranged, watcher, self._connections)
        length = source.length or self.settings.takeup_max_bytes
        return store_stream(target, source.chunks, length, watcher, keep_upload=source.version is not None)

    @contextmanager
    def _dropped_if_changed(self) -> Iterator[None]:
        """An upload whose source is another file by now is of no use to the next attempt."""
        try:
            yield
        except SourceChangedError:
            self.keeper.note_upload(None)
            self._abort_uploads()
            raise

    def _abort_uploads(self) -> None:
        self.keeper.check()
        prefix = keys.generation_prefix(self.claim.project_id, self.claim.scene_id, self.claim.generation)
        for upload in list(self.bucket.open_uploads(prefix)):
            self.bucket.abort_upload(upload.key, upload.upload_id)

    def _described(self, target: Target, stored: Stored, filename: str) -> dict[str, Any]:
        if stored.sha256 is None:
            found = stored_original(self.bucket, self.claim, self.keeper.check)
            if found is None:
                raise StorageUnavailableError
            return found
        return {
            "key": target.key,
            "bytes": stored.bytes,
            "content_type": target.content_type,
            "filename": filename,
            "etag": stored.etag,
            "checksum": f"sha256:{stored.sha256}",
        }

    @contextmanager
    def _source(self) -> Iterator[Source]:
        keeper, url = self.keeper, self.claim.source_url
        direct = open_direct(url, self._guard, self._limits, keeper.on_stop, ranges=self._ranges_serve)
        if direct is not None:
            with closing(direct):
                self._begin(direct.length)
                yield direct
            return
        meter = keeper.meter
        progress = ExtractionProgress(keeper.check, self._begin, meter.set_fetched, keeper.on_stop, meter.keep)
        with extracted(self._extraction, progress) as source:
            meter.expect(source.length)
            yield source

    @property
    def _ranges_serve(self) -> bool:
        """Not where the site's answers just did not fit together: then the file is read in one piece."""
        last = self.claim.attempts[-1] if self.claim.attempts else None
        return last is None or last["code"] != SourceChangedError.code

    @property
    def _guard(self) -> Guard:
        return Guard.of_settings(self.settings)

    @property
    def _limits(self) -> Limits:
        settings = self.settings
        return Limits(
            settings.takeup_max_bytes,
            settings.takeup_job_seconds,
            settings.takeup_read_timeout_seconds,
            settings.takeup_min_bytes_per_second,
            _RATE_SECONDS,
        )

    @property
    def _connections(self) -> Connections:
        settings = self.settings
        limit = host_limit(settings.redis_url, settings.takeup_host_connections)
        return Connections(settings.takeup_fetch_connections, limit)

    @property
    def _extraction(self) -> Extraction:
        settings = self.settings
        return Extraction(
            url=self.claim.source_url,
            limits=self._limits,
            guard=self._guard,
            max_duration_seconds=settings.takeup_max_duration_seconds,
            max_playlist_entries=settings.takeup_max_playlist_entries,
            max_height=settings.height_cap(self.claim.max_height),
            scratch=settings.scratch_dir,
            keep_free_bytes=settings.takeup_min_free_bytes,
            ranges=self._ranges_serve,
            name=job_name(self.claim.scene_id, self.claim.generation),
        )


class _DocumentWatcher(Watcher):
    """Keeps the scene's document in step with the transfer."""

    def __init__(
        self, keeper: LeaseKeeper, note: Callable[[Upload], None] = lambda _: None, *, local: bool = False
    ) -> None:
        self._keeper = keeper
        self._note = note
        self._local = local

    def fetched(self, count: int) -> None:
        self._keeper.check()
        if not self._local:
            self._keeper.meter.add_fetched(count)

    def stored(self, count: int) -> None:
        self._keeper.meter.add_stored(count)

    def upload_made(self, upload: Upload) -> None:
        self._note(upload)

    def before_commit(self) -> None:
        self._keeper.check()  # a source that the keeper ended may look as if it had come to its end
        self._keeper.advance(Status.UPLOADING)

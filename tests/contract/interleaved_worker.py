"""A worker that stops between any two of its steps: what services/intake.py does, in its order, by its own methods.

Its uploads name no version of a source: each is left for the next attempt, which cannot go on with it.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from app.core.database import Document, Sync
from app.core.media_errors import MediaError
from app.crud.crud_lease import Claim
from app.models.media import ACTIVE, Status
from app.services.acquire import Acquisition
from app.services.adoption import stored_original
from app.services.intake import Intake
from app.services.lease import HandOverError, LeaseKeeper, LeaseLostError
from app.services.storage import keys
from app.services.storage.bucket import Bucket, ObjectExistsError

_LEASE_SECONDS = 30.0
_JOB_SECONDS = 3600.0


def may_write(scene: Document | None, claim: Claim) -> bool:
    """Whether the claim stands: the scene is there and not deleted, and the claim's own lease is on its generation."""
    if scene is None or scene["deletion"] or scene["media"] is None:
        return False
    media = scene["media"]
    held = media["lease"] is not None and media["lease"]["token"] == claim.token
    return held and media["generation"] == claim.generation and media["status"] in ACTIVE


@dataclass
class Worker:
    """One attempt. It looks at its claim only where a write of it fails, as if it were slow each time."""

    intake: Intake
    claim: Claim
    large: bool
    _open: tuple[str, str] | None = None
    leaving: bool = False
    done: bool = False
    keeper: LeaseKeeper = field(init=False)

    def __post_init__(self) -> None:
        self.keeper = LeaseKeeper(self.database, self.claim, _LEASE_SECONDS, _JOB_SECONDS)
        self._steps = self._run()
        next(self._steps)

    @property
    def database(self) -> Sync:
        return self.intake.database

    @property
    def bucket(self) -> Bucket:
        return self.intake.bucket

    def step(self, error: Exception | None = None) -> None:
        """Go on to the next stop, or meet this error there. A claim that no longer stands must change nothing."""
        before = self._scene()
        try:
            if error is None or self.leaving:
                next(self._steps)
            else:
                self._steps.throw(error)
        except StopIteration:
            self.done = True
        if not may_write(before, self.claim):
            assert _without_lease(self._scene()) == _without_lease(before), "a lost claim wrote"

    def _scene(self) -> Document | None:
        return self.database["scenes"].find_one({"_id": self.claim.scene_id})

    def _run(self) -> Generator[None, None, None]:
        """The ways out of `Intake.run`."""
        try:
            yield
            yield from self._take_in()
        except LeaseLostError:
            self.leaving = True
            yield
            self.intake._leave(self.claim)
        except HandOverError:
            self.intake._give_back(self.claim)
        except MediaError as error:
            self.intake._fail(self.claim, self.keeper, error)

    def _take_in(self) -> Generator[None, None, None]:
        acquisition = Acquisition(self.bucket, self.intake.settings, self.claim, self.keeper)
        original = acquisition.adopted() or acquisition._resumed()
        yield
        if original is None:
            self.keeper.advance(Status.DOWNLOADING)
            yield
            original = yield from self._store()
        self.keeper.advance(Status.PROCESSING)
        yield
        key = keys.poster_key(self.claim.project_id, self.claim.scene_id, self.claim.generation)
        self.bucket.put(key, b"poster", "image/webp", only_new=False)
        yield
        self.intake._finish(self.claim, original, {"probe": None, "poster": {"key": key, "width": 1, "height": 1}})

    def _store(self) -> Generator[None, None, dict[str, Any]]:
        key = keys.original_key(self.claim.project_id, self.claim.scene_id, self.claim.generation, "mp4")
        if self.large:
            yield from self._open_upload(key)
        self.keeper.advance(Status.UPLOADING)
        yield
        body = self.claim.token.encode()
        try:
            etag = self._complete(body) if self._open else self.bucket.put(key, body, "video/mp4")
        except ObjectExistsError:
            self._abort()
            found = stored_original(self.bucket, self.claim, self.keeper.check)
            assert found is not None
            return found
        self._open = None
        yield
        checksum = f"sha256:{sha256(body).hexdigest()}"
        named = {"content_type": "video/mp4", "filename": "clip.mp4", "etag": etag, "checksum": checksum}
        return {"key": key, "bytes": len(body), **named}

    def _open_upload(self, key: str) -> Generator[None, None, None]:
        answer = self.bucket.client.create_multipart_upload(Bucket=self.bucket.name, Key=key)
        self._open = (key, answer["UploadId"])
        yield
        self.keeper.note_upload({"key": key, "upload_id": answer["UploadId"], "part_size": 1 << 23}, another=False)
        yield

    def _complete(self, body: bytes) -> str:
        assert self._open is not None
        key, upload_id = self._open
        target: Any = {"Bucket": self.bucket.name, "Key": key, "UploadId": upload_id}
        part = self.bucket.client.upload_part(**target, PartNumber=1, Body=body)
        parts: Any = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        answer = self.bucket.client.complete_multipart_upload(**target, MultipartUpload=parts)
        return str(answer["ETag"])

    def _abort(self) -> None:
        if self._open:
            self.bucket.abort_upload(*self._open)
            self._open = None


def _without_lease(scene: Document | None) -> Document | None:
    """The media, less the lease that a worker lets go of when it has lost the scene."""
    return {**scene["media"], "lease": None} if scene is not None and scene["media"] is not None else None

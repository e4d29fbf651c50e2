"""One scene that a worker takes in, attempt by attempt, in the test's own process."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from app.core.database import Document
from app.demo.bodies import find_body
from app.models.media import Status
from app.services.intake import Intake
from app.services.storage.multipart import PART_BYTES
from tests.contract.conftest import Place, insert_scene, read_scene
from tests.faults.sources import LARGE, LARGE_BYTES
from tests.servers import wait_for


@dataclass(frozen=True)
class TakenIn:
    """One scene, the worker that takes it in, and what the bucket has of it."""

    intake: Intake
    place: Place
    folder: Path

    def insert(self, link: str, **media: Any) -> None:
        insert_scene(self.intake.database, Status.QUEUED, self.place, source_url=link, **media)

    def run(self) -> Document:
        """One attempt; the scene's media after it."""
        due = {"$set": {"media.due_ms": 0}}
        self.intake.database["scenes"].update_one({"_id": self.place.scene_id}, due)
        self.intake.run(self.place.scene_id, 1)
        return self.media

    @property
    def media(self) -> Document:
        media: Document = read_scene(self.intake.database, self.place.scene_id)["media"]
        return media

    def leave_upload(
        self, standing: tuple[int, ...], *, validator: str | None = None, cut: int = 0, extracted: bool = False
    ) -> str:
        """What a worker leaves that dies: an upload with these parts, the last of them `cut` bytes too short."""
        bucket, body = self.intake.bucket, (self.folder / LARGE).read_bytes()
        place: Any = {"Bucket": bucket.name, "Key": self.place.key(1)}
        upload_id = bucket.client.create_multipart_upload(**place, ContentType="video/mp4")["UploadId"]
        for number in standing:
            part = body[(number - 1) * PART_BYTES : number * PART_BYTES]
            part = part[: len(part) - (cut if number == standing[-1] else 0)]
            bucket.client.upload_part(**place, UploadId=upload_id, PartNumber=number, Body=part)
        upload = {
            "key": self.place.key(1),
            "upload_id": upload_id,
            "part_size": PART_BYTES,
            "content_type": "video/mp4",
            "filename": "a boat.mp4",
            "source_etag": validator or find_body(self.folder, LARGE).etag,
            "source_length": LARGE_BYTES,
            "extracted": extracted,
        }
        scenes = self.intake.database["scenes"]
        scenes.update_one({"_id": self.place.scene_id}, {"$set": {"media.upload": upload, "media.given_back": True}})
        return upload_id

    def uploads(self) -> list[str]:
        return [upload.upload_id for upload in self.intake.bucket.open_uploads(self.place.prefix)]

    def parts(self) -> dict[int, int]:
        """The bytes of each part that is in the bucket."""
        upload = self.media["upload"]
        parts = self.intake.bucket.parts(upload["key"], upload["upload_id"]) if upload else ()
        return {part.number: part.bytes for part in parts}

    def assert_whole(self, media: Document, name: str = LARGE) -> None:
        """The scene is ready with the bytes of that source, and nothing else is left in the bucket."""
        assert media["status"] == Status.READY, media
        expected = sha256((self.folder / name).read_bytes()).hexdigest()
        digest = sha256(b"".join(self.intake.bucket.stream(media["original"]["key"]))).hexdigest()
        assert digest == expected
        assert media["original"]["checksum"] == f"sha256:{expected}"
        originals = [key for key in self.intake.bucket.keys(self.place.prefix) if "/original." in key]
        assert originals == [media["original"]["key"]]
        assert self.uploads() == []
        assert media["upload"] is None


def interrupt(taken: TakenIn, monkeypatch: pytest.MonkeyPatch, ready: Callable[[], bool]) -> Document:
    """An attempt whose worker is told to stop once `ready`; the scene's media after it."""
    stopping: list[float] = []
    monkeypatch.setattr("app.services.intake.stopping_for", lambda: stopping[0] if stopping else None)
    attempt = Thread(target=taken.run)
    attempt.start()
    wait_for(ready, 30, "the moment to interrupt")
    stopping.append(1e6)
    attempt.join(30)
    assert not attempt.is_alive()
    stopping.clear()
    return taken.media

"""The check that all experiments share finds each thing that it is there to find."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import pytest

from app.core.database import Document
from app.demo.origin import Origin
from app.services.storage import keys
from tests.faults.invariant import Accepted, Checker
from tests.stack import RunningStack

SLEEP = "import time; time.sleep(60)"


@dataclass(frozen=True)
class Stored:
    """A scene that is ready, and the service that can be tampered with."""

    stack: RunningStack
    scene: Document
    key: str

    def put(self, key: str) -> None:
        self.stack.bucket.put(key, b"other bytes", "image/jpeg", only_new=False)

    def set(self, **fields: object) -> None:
        self.stack.database["scenes"].update_one({"_id": self.scene["id"]}, {"$set": fields})


def second_original(stored: Stored) -> None:
    stored.put(keys.original_key(stored.scene["project_id"], stored.scene["id"], 2, "jpg"))


def stray_object(stored: Stored) -> None:
    stored.put(keys.generation_prefix(stored.scene["project_id"], stored.scene["id"], 1) + "stray")


def foreign_object(stored: Stored) -> None:
    stored.put("elsewhere")


def open_upload(stored: Stored) -> None:
    stored.stack.bucket.client.create_multipart_upload(Bucket=stored.stack.bucket.name, Key=stored.key)


def scratch_folder(stored: Stored) -> None:
    (stored.stack.settings.scratch_dir / "job-left").mkdir(parents=True)


def other_bytes(stored: Stored) -> None:
    stored.put(stored.key)


def no_object(stored: Stored) -> None:
    stored.stack.bucket.delete([stored.key])


def no_document(stored: Stored) -> None:
    stored.stack.database["scenes"].delete_one({"_id": stored.scene["id"]})


def no_end(stored: Stored) -> None:
    stored.set(**{"media.status": "uploading"})


def no_code(stored: Stored) -> None:
    stored.set(**{"media.status": "failed"})


def another_link(stored: Stored) -> None:
    stored.set(**{"media.source_url": f"{stored.scene['media']['source_url']}?other"})


def orphaned_process(stored: Stored) -> None:
    subprocess.run(["sh", "-c", f"{sys.executable} -c '{SLEEP}' app.services.left &"], check=True)


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (second_original, "duplicated"),
        (stray_object, "orphaned"),
        (foreign_object, "orphaned"),
        (open_upload, "orphaned"),
        (scratch_folder, "orphaned"),
        (orphaned_process, "orphaned"),
        (other_bytes, "wrong_bytes"),
        (no_object, "lost"),
        (no_document, "lost"),
        (no_end, "lost"),
        (no_code, "lost"),
        (another_link, "lost"),
    ],
)
def test_what_breaks_the_promise_is_found(
    stack: RunningStack, origin: Origin, tamper: Callable[[Stored], None], kind: str
) -> None:
    scene = stack.store(origin.url("photo.jpg"))
    stack.wait(scene, "ready")
    key = (stack.document(scene) or {})["media"]["original"]["key"]
    checker = Checker(stack, origin)
    accepted = [Accepted(scene["id"], {scene["media"]["source_url"]})]
    try:
        assert checker.check(accepted, end_seconds=20, settle_seconds=20).wrong == []
        tamper(Stored(stack, scene, key))
        assert getattr(checker.check(accepted, end_seconds=0, settle_seconds=0), kind)
    finally:
        clear(stack, scene)


def clear(stack: RunningStack, scene: Document) -> None:
    """Leave nothing for the tests that follow on the same stack."""
    stack.database["scenes"].delete_one({"_id": scene["id"]})
    prefix = keys.scene_prefix(scene["project_id"], scene["id"])
    stack.bucket.delete(["elsewhere", *stack.bucket.keys(prefix)])
    for upload in list(stack.bucket.open_uploads(prefix)):
        stack.bucket.abort_upload(upload.key, upload.upload_id)
    for process in psutil.process_iter(["cmdline"]):
        if "app.services.left" in (process.info["cmdline"] or ()):
            process.kill()
    for folder in stack.settings.scratch_dir.glob("job-*"):
        folder.rmdir()

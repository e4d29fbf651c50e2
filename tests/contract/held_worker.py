"""A worker that is let in or not, and holds that run out when a test says so."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from app.core.config import Settings
from app.core.database import Document, Sync, server_now_sync
from app.core.media_errors import MediaError
from app.crud import crud_hold, crud_lease
from app.crud.crud_lease import Claim
from app.models.media import Status, milliseconds
from app.services.admission import Admission
from app.services.intake import Intake
from app.services.lease import LeaseKeeper
from app.services.storage.bucket import Bucket, open_bucket
from tests.contract.conftest import insert_scene, read_scene

SITE = "https://slow.example/clip.mp4"
FAILURES = 3


@dataclass(frozen=True)
class Worker:
    """One worker, by the steps that matter here: let in, claim, end."""

    database: Sync
    bucket: Bucket
    settings: Settings

    @property
    def admission(self) -> Admission:
        return Admission(self.database, self.bucket, self.settings, "machine")

    def scene(self, link: str = SITE) -> str:
        return str(insert_scene(self.database, Status.QUEUED, source_url=link)["_id"])

    def take(self, scene_id: str) -> Claim | None:
        if not self.admission.admits(read_scene(self.database, scene_id)):
            return None
        return crud_lease.claim(self.database, scene_id, 1, "machine/1", 30)

    def fail(self, scene_id: str, error: MediaError) -> None:
        claim = self.take(scene_id)
        assert claim is not None
        intake = Intake(self.database, self.bucket, self.settings, claim.worker)
        intake._fail(claim, LeaseKeeper(self.database, claim, 30, 60), error)

    def media(self, scene_id: str) -> Document:
        media: Document = read_scene(self.database, scene_id)["media"]
        return media

    def hold(self, subject: str) -> crud_hold.Hold | None:
        return crud_hold.find_holds(self.database, [subject]).get(subject)

    def seconds_left(self, subject: str) -> float:
        hold = self.hold(subject)
        if hold is None or hold.until_ms is None:
            return 0
        return (hold.until_ms - milliseconds(server_now_sync(self.database))) / 1000

    def let_time_pass(self, subject: str) -> None:
        """The hold has run out."""
        hold = self.hold(subject)
        assert hold is not None
        assert hold.error is not None
        now = server_now_sync(self.database)
        crud_hold.put_hold(self.database, hold, hold.error, now, milliseconds(now, -1))
        self.database["scenes"].update_many(
            {"media.status": "retrying"}, {"$set": {"media.due_ms": milliseconds(now, -1)}}
        )

    def with_bucket(self, change: Callable[[Settings], Settings]) -> "Worker":
        return replace(self, bucket=open_bucket(change(self.settings)))

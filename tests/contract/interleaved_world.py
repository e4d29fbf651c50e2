"""A small world of one project: its people, its messages, its workers, and the time that passes."""

from asyncio import Runner
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.core.config import Settings
from app.core.database import Async, Document, Sync, server_now_sync
from app.core.errors import EditConflictError, RequestError
from app.core.media_errors import MediaError
from app.crud import crud_deletion, crud_edit, crud_lease, crud_media, crud_order, crud_project
from app.models.media import ACTIVE, Status, milliseconds
from app.services.intake import Intake
from app.services.lease import HandOverError, LeaseLostError
from app.services.reconcile import reconcile
from app.services.storage.bucket import Bucket
from app.services.sweep import clean_up, sweep_once
from tests.contract.conftest import WORKSPACE
from tests.contract.interleaved_worker import Worker, may_write

T = TypeVar("T")
LINKS = ("https://example.com/a.mp4", "https://example.com/b.mp4")
_LONG_AGO_SECONDS = -400.0


class _SlowBucket(Bucket):
    """Something happens before it tells its keys."""

    between: Callable[[], None]

    def keys(self, prefix: str) -> Iterator[str]:
        self.between()
        return super().keys(prefix)


@dataclass(frozen=True)
class Servers:
    """What the world stands on; the settings are those of a service whose graces are next to nothing."""

    database: Sync
    api: Async
    runner: Runner
    bucket: Bucket
    settings: Settings


@dataclass
class World:
    """What was asked for and answered is remembered here, to be compared with what is there."""

    on: Servers
    project_id: str = ""
    messages: list[tuple[str, int]] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    edited: dict[str, int] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    with_project: set[str] | None = None
    gone: bool = False

    def __post_init__(self) -> None:
        for name in ("scenes", "projects", "holds"):
            self.on.database[name].delete_many({})
        self.project_id = self.ask(crud_project.create_project(self.on.api, WORKSPACE, "Reel"))["_id"]

    def ask(self, request: Coroutine[Any, Any, T]) -> T:
        return self.on.runner.run(request)

    def scene(self, scene_id: str) -> Document | None:
        return self.on.database["scenes"].find_one({"_id": scene_id})

    def scenes(self) -> dict[str, Document]:
        return {scene["_id"]: scene for scene in self.on.database["scenes"].find({})}

    # What people do.

    def create(self, link: str | None) -> str:
        made = crud_order.create_scenes(
            self.on.api, WORKSPACE, self.project_id, [("", link)], settings=self.on.settings
        )
        [scene] = self.ask(made)
        self.texts[scene["_id"]], self.edited[scene["_id"]] = "", 1
        self.alive.add(scene["_id"])
        return str(scene["_id"])

    def store(self, scene_id: str, link: str | None, *, force: bool) -> None:
        request = crud_media.request_storage(
            self.on.api, self.on.settings, WORKSPACE, scene_id, project_id=self.project_id, link=link, force=force
        )
        self._ring(request, by_hand=link is not None)

    def retry(self, scene_id: str) -> None:
        self._ring(crud_media.retry(self.on.api, self.on.settings, WORKSPACE, scene_id))

    def _ring(self, request: Coroutine[Any, Any, tuple[Document, bool]], *, by_hand: bool = False) -> None:
        try:
            scene, queued = self.ask(request)
        except RequestError:
            return
        assert scene["_id"] in self.alive
        if queued:
            self.messages.append((scene["_id"], scene["media"]["generation"]))
            if by_hand:
                self.edited[scene["_id"]] = scene["version"]

    def cancel(self, scene_id: str) -> None:
        try:
            self.ask(crud_media.cancel(self.on.api, WORKSPACE, scene_id))
        except RequestError:
            return
        assert scene_id in self.alive

    def edit(self, scene_id: str, edits: dict[str, str | None], since: int | None) -> None:
        """Refused exactly where another edit came after the version that it names."""
        request = crud_edit.edit_scene(self.on.api, self.on.settings, WORKSPACE, scene_id, edits, unchanged_since=since)
        before = self.scene(scene_id)
        try:
            scene, _ = self.ask(request)
        except EditConflictError:
            assert since is not None
            assert self.edited[scene_id] > since
            return
        except RequestError:
            assert scene_id not in self.alive or self.gone
            return
        assert scene_id in self.alive
        assert since is None or self.edited[scene_id] <= since
        self.texts[scene_id] = edits.get("text") or self.texts[scene_id]
        if before is not None and scene["version"] > before["version"]:
            self.edited[scene_id] = scene["version"]

    def delete(self, scene_id: str) -> None:
        try:
            self.ask(crud_deletion.mark_deleted(self.on.api, self.on.settings, WORKSPACE, scene_id))
        except RequestError:
            assert self.scene(scene_id) is None or self.with_project is not None
        self.alive.discard(scene_id)

    def restore(self, scene_id: str) -> None:
        before = self.scene(scene_id)
        try:
            scene, queued = self.ask(crud_deletion.restore_scene(self.on.api, self.on.settings, WORKSPACE, scene_id))
        except RequestError:
            return
        assert before is not None
        assert self.with_project is None, "restored without its project"
        assert not before["deletion"] or before["deletion"]["purge_ms"] > self._past(), "restored too late"
        self.alive.add(scene_id)
        if queued:
            self.messages.append((scene_id, scene["media"]["generation"]))

    def delete_project(self) -> None:
        if self.with_project is None:
            self.with_project = set(self.alive)
            self.alive.clear()
        self.ask(crud_project.mark_project_deleted(self.on.api, self.on.settings, WORKSPACE, self.project_id))

    def restore_project(self) -> None:
        try:
            queued = self.ask(crud_project.restore_project(self.on.api, self.on.settings, WORKSPACE, self.project_id))
        except RequestError:
            return
        self.alive |= self.with_project or set()
        self.with_project = None
        self.messages += [(scene["_id"], scene["media"]["generation"]) for scene in queued]

    # What workers do.

    def receive(self, message: tuple[str, int], *, large: bool, held: MediaError | None = None) -> Worker | None:
        """As `Intake.run` begins; with `held` the scene's site is held back."""
        intake = Intake(self.on.database, self.on.bucket, self.on.settings, f"machine/{len(self.workers)}")
        scene_id, generation = message
        scene = self.scene(scene_id)
        if scene is None or scene["media"] is None or scene["media"]["status"] not in {"queued", "retrying"}:
            return None
        if held is not None:
            now = server_now_sync(self.on.database)
            crud_lease.hold_back(self.on.database, scene, held.failure(), milliseconds(now, 60))
            return None
        claim = crud_lease.claim(self.on.database, scene_id, generation, intake.worker, 30)
        if claim is None:
            return None
        worker = Worker(intake, claim, large)
        self.workers.append(worker)
        return worker

    def work(self, worker: Worker, error: Exception | None = None) -> None:
        worker.step(error)
        if worker.done:
            self.workers.remove(worker)
            if isinstance(error, HandOverError):
                self.messages.append((worker.claim.scene_id, worker.claim.generation))

    def renew(self, worker: Worker) -> None:
        """A claim that is found lost ends the work."""
        held = may_write(self.scene(worker.claim.scene_id), worker.claim)
        assert crud_lease.renew(self.on.database, worker.claim, 30, {"bytes_done": 1}) is held
        if not held:
            self.work(worker, LeaseLostError())

    # What comes round, and the time that passes.

    def reconcile(self) -> None:
        def ring(*message: Any) -> None:
            self.messages.append(message)

        reconcile(self.on.database, self.on.settings, ring=ring, ring_first=ring, waiting_messages=0)

    def clean_up(self) -> None:
        clean_up(self.on.database, self.on.bucket)

    def sweep(self, scene_id: str, between: Callable[[], None] = lambda: None) -> None:
        """`between` happens when the document has been read, and the bucket has not."""
        bucket = _SlowBucket(self.on.bucket.client, self.on.bucket.name)
        bucket.between = between
        sweep_once(self.on.database, bucket, scene_id)

    def let_waits_end(self) -> None:
        """Graces and pauses are over."""
        self._move({"media.status": {"$in": ["pending", "queued", "retrying"]}}, {"media.due_ms": self._past()})

    def let_leases_end(self, scene_id: str | None = None) -> None:
        """Nobody renewed them in time, whether their workers live or not."""
        for scene in self.scenes().values():
            media = scene["media"]
            if media and media["lease"] and scene_id in {None, scene["_id"]}:
                self._move({"_id": scene["_id"]}, {"media.lease": {**media["lease"], "expires_ms": self._past()}})

    def let_deletions_end(self) -> None:
        """They can be undone no longer."""
        for name in ("scenes", "projects"):
            for document in self.on.database[name].find({"deletion.purge_ms": {"$gt": 0}}):
                over = {**document["deletion"], "purge_ms": self._past()}
                self._move({"_id": document["_id"]}, {"deletion": over}, name)
                self.gone = self.gone or name == "projects"

    def let_lost_workers_end(self) -> None:
        """After five minutes: whoever lost a claim has stopped, and what they may have left is due to be swept."""
        self.workers = [one for one in self.workers if may_write(self.scene(one.claim.scene_id), one.claim)]
        past = server_now_sync(self.on.database)
        for scene in self.scenes().values():
            fields: Document = {"sweep": {"at_ms": self._past()}} if scene.get("sweep") else {}
            if scene["deletion"]:
                at = scene["deletion"]["at"].fromtimestamp(past.timestamp() + _LONG_AGO_SECONDS, past.tzinfo)
                fields["deletion"] = {**scene["deletion"], "at": at}
            if fields:
                self._move({"_id": scene["_id"]}, fields)

    def _past(self) -> int:
        return milliseconds(server_now_sync(self.on.database), -1)

    def _move(self, wanted: Document, fields: Document, name: str = "scenes") -> None:
        self.on.database[name].update_many(wanted, {"$set": fields, "$inc": {"version": 1}})

    def in_flight(self) -> list[Document]:
        moving = {Status.PENDING, Status.QUEUED, Status.RETRYING, *ACTIVE}
        return [
            scene
            for scene in self.scenes().values()
            if not scene["deletion"] and scene["media"] and scene["media"]["status"] in moving
        ]

"""What people, workers and the reconciler can do to a scene's media, and what became of it, in words."""

from asyncio import Runner
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.core.config import Settings
from app.core.database import Async, Document, Sync, server_now_sync
from app.core.errors import TakeupError
from app.core.media_errors import ServerFaultError
from app.crud import crud_backlog, crud_deletion, crud_edit, crud_lease, crud_media
from app.crud.crud_lease import Claim, Ending
from app.crud.crud_scene import update_scene_status_sync
from app.models.media import ACTIVE, Status, milliseconds
from tests.contract.conftest import LINK, MAX_ATTEMPTS, WORKSPACE, insert_scene, lease, read_scene

OTHER_LINK = "https://example.com/another.mp4"
NO_MEDIA = "no media"
FAULT = ServerFaultError().failure()


@dataclass(frozen=True)
class Servers:
    """The database, from both sides."""

    database: Sync
    api: Async
    runner: Runner
    settings: Settings


Operation = Callable[[Servers, Document], bool]
"""Acts on the scene; False where that was refused without an error. A person's raises, or says that it is done."""


def store(on: Servers, scene: Document, **request: Any) -> bool:
    on.runner.run(crud_media.request_storage(on.api, on.settings, WORKSPACE, scene["_id"], **request))
    return True


def force(on: Servers, scene: Document) -> bool:
    return store(on, scene, force=True)


def store_another_link(on: Servers, scene: Document) -> bool:
    return store(on, scene, link=OTHER_LINK)


def retry(on: Servers, scene: Document) -> bool:
    on.runner.run(crud_media.retry(on.api, on.settings, WORKSPACE, scene["_id"]))
    return True


def cancel(on: Servers, scene: Document) -> bool:
    on.runner.run(crud_media.cancel(on.api, WORKSPACE, scene["_id"]))
    return True


def edit_link(on: Servers, scene: Document, link: str | None) -> bool:
    on.runner.run(crud_edit.edit_scene(on.api, on.settings, WORKSPACE, scene["_id"], {"source_url": link}))
    return True


def set_link(on: Servers, scene: Document) -> bool:
    return edit_link(on, scene, OTHER_LINK)


def set_same_link(on: Servers, scene: Document) -> bool:
    return edit_link(on, scene, LINK)


def remove_link(on: Servers, scene: Document) -> bool:
    return edit_link(on, scene, None)


def delete_and_restore(on: Servers, scene: Document) -> bool:
    on.runner.run(crud_deletion.mark_deleted(on.api, on.settings, WORKSPACE, scene["_id"]))
    on.runner.run(crud_deletion.take_back(on.api, on.settings, WORKSPACE, scene["_id"]))
    return True


def claim(on: Servers, scene: Document) -> bool:
    return crud_lease.claim(on.database, scene["_id"], 1, "w", 30) is not None


def _held(scene: Document) -> Claim:
    """The claim of whoever holds the scene's lease."""
    now = scene["created_at"]
    return Claim(scene["_id"], scene["project_id"], 1, 1, MAX_ATTEMPTS, "token", "w", now, LINK, None, False, None, ())


def advance(target: Status) -> Operation:
    return lambda on, scene: update_scene_status_sync(on.database, _held(scene).fence, target)


def end_ready(on: Servers, scene: Document) -> bool:
    return crud_lease.end_attempt(on.database, _held(scene), Status.READY, Ending("ready"))


def end_failed(on: Servers, scene: Document) -> bool:
    return crud_lease.end_attempt(on.database, _held(scene), Status.FAILED, Ending("failed", FAULT))


def end_retrying(on: Servers, scene: Document) -> bool:
    return crud_lease.end_attempt(on.database, _held(scene), Status.RETRYING, Ending("retrying", FAULT), due_ms=1)


def give_back(on: Servers, scene: Document) -> bool:
    return crud_lease.give_back(on.database, _held(scene), due_ms=1)


def hold_back(on: Servers, scene: Document) -> bool:
    return scene["media"] is not None and crud_lease.hold_back(on.database, scene, FAULT, due_ms=1)


def crash(on: Servers, scene: Document) -> bool:
    """The reconciler finds the lease expired."""
    if scene["media"] is None:
        return False
    return crud_backlog.end_crashed_attempt(on.database, scene, server_now_sync(on.database), due_ms=1) is not None


def crash_at_the_cap(on: Servers, scene: Document) -> bool:
    if scene["media"] is None:
        return False
    on.database["scenes"].update_one({"_id": scene["_id"]}, {"$set": {"media.attempt": MAX_ATTEMPTS}})
    return crash(on, {**scene, "media": {**scene["media"], "attempt": MAX_ATTEMPTS}})


def forgotten(on: Servers, scene: Document) -> bool:
    """The reconciler finds that nobody asked to store the link."""
    return scene["media"] is not None and crud_backlog.queue_forgotten(on.database, scene, due_ms=1) is not None


def scene_in(on: Servers, source: str) -> Document:
    """A scene in that state, on its second attempt. Its lease is in the document in every state: the states alone
    decide what may be written."""
    if source == NO_MEDIA:
        return insert_scene(on.database, None)
    held = lease(server_now_sync(on.database), -1)
    return insert_scene(on.database, Status(source), attempt=2, lease=held)


def outcome(on: Servers, operation: Operation, source: str) -> str:
    """`refused`, `left as it is`, or the state that the media has then, with `anew` under a new generation."""
    before = scene_in(on, source)
    try:
        done = operation(on, before)
    except TakeupError:
        done = False
    after = read_scene(on.database, before["_id"])
    if not done:
        assert _state(after) == _state(before)
        return "refused"
    if after == before:
        return "left as it is"
    assert after["version"] > before["version"]
    return _changed(before["media"], after["media"])


def _state(scene: Document) -> tuple[Any, ...]:
    media = scene["media"] or {}
    return scene["version"], media.get("status"), media.get("generation"), media.get("lease"), media.get("due_ms")


def _changed(before: Document | None, after: Document | None) -> str:
    if after == before:
        return "left as it is"
    if after is None:
        return NO_MEDIA
    status = after["status"]
    if status in ACTIVE or (before and before["status"] in ACTIVE):
        assert (after["lease"] is not None) == (status in ACTIVE), status
    assert (after["due_ms"] is not None) == (status in {"pending", "queued", "retrying"}), status
    if before is not None and after["generation"] == before["generation"]:
        return str(status)
    assert after["generation"] == (before["generation"] if before else 0) + 1
    if status != "queued" or before is None or before["status"] != "pending":
        assert (after["attempt"], after["attempts"], after["error"]) == (0, [], None)
    assert milliseconds(after["status_at"]) > 0
    return f"{status} anew"

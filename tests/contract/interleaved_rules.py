"""What must hold after every step, whoever took it, and what must be left when everything has come to rest."""

from collections.abc import Callable
from hashlib import sha256

from app.core.database import Document
from app.services.storage import keys
from tests.contract.interleaved_worker import Worker, may_write
from tests.contract.interleaved_world import World
from tests.contract.states import ACTIVE, FOLLOWS

WORKING = set(ACTIVE.split())
DUE = {"pending", "queued", "retrying"}
ROUNDS = 40


def check_step(world: World, before: dict[str, Document], after: dict[str, Document]) -> None:
    for scene_id, scene in after.items():
        if scene_id in before:
            _check_change(before[scene_id], scene)
        if scene["media"]:
            _check_media(scene)
    _check_files(world, before, after)
    _check_people(world, after)
    _check_claims(world, after)
    for scene_id, scene in before.items():
        assert scene_id in after or (scene["deletion"] and scene_id not in world.alive), "a scene is lost"


def _check_change(before: Document, after: Document) -> None:
    if before == after:
        return
    assert after["version"] > before["version"], "a change without a version"
    assert _generation(after) >= _generation(before), "a generation came back"
    old, new = before["media"], after["media"]
    if old and new and old["status"] != new["status"]:
        assert new["status"] in FOLLOWS[old["status"]].split(), f"{old['status']} -> {new['status']}"
    if old and new and new["generation"] > old["generation"]:
        assert new["status"] in {"pending", "queued"}
        assert new["attempt"] == 0


def _generation(scene: Document) -> int:
    present = scene["media"]["generation"] if scene["media"] else 0
    return max(int(present), int(scene.get("last_generation", 0)))


def _check_media(scene: Document) -> None:
    media = scene["media"]
    status = media["status"]
    if scene["deletion"]:
        assert media["lease"] is None or status in WORKING
    else:
        assert (media["lease"] is not None) == (status in WORKING), f"the lease of {status}"
    assert (media["due_ms"] is not None) == (status in DUE), f"the time of {status}"
    assert 0 <= media["attempt"] <= media["max_attempts"]
    assert status not in WORKING or media["attempt"] > 0
    assert (status == "failed") <= (media["error"] is not None)
    assert (status == "ready") == (media["original"] is not None)


def _check_files(world: World, before: dict[str, Document], after: dict[str, Document]) -> None:
    """What is ready is there, also while a deletion can be undone; its bytes are read where they may have changed."""
    ready = [
        scene
        for scene in after.values()
        if scene["media"]
        and scene["media"]["status"] == "ready"
        and not (scene["deletion"] and scene["deletion"]["final"])
    ]
    stored = set(world.on.bucket.keys(f"{keys.ROOT}{world.project_id}/")) if ready else set()
    for scene in ready:
        original = scene["media"]["original"]
        assert original["key"] in stored, "a ready scene's file is gone"
        if world.workers or before.get(scene["_id"]) != scene:
            content = world.on.bucket.read(original["key"], 0, original["bytes"] + 1)
            assert len(content) == original["bytes"]
            assert original["checksum"] == f"sha256:{sha256(content).hexdigest()}"


def _check_people(world: World, after: dict[str, Document]) -> None:
    shown = {scene_id for scene_id, scene in after.items() if not scene["deletion"]}
    assert shown == world.alive or (world.gone and shown <= world.alive), "not the scenes that one was told of"
    for scene_id in shown:
        assert after[scene_id]["text"] == world.texts[scene_id], "an edit is lost"


def _check_claims(world: World, after: dict[str, Document]) -> None:
    writers = [one.claim.scene_id for one in world.workers if may_write(after.get(one.claim.scene_id), one.claim)]
    assert len(writers) == len(set(writers)), "two workers may write to one scene"


def come_to_rest(world: World, check: Callable[[], None]) -> None:
    """Every worker dies; then rounds and honest workers go on until nothing is on its way."""
    world.workers.clear()
    world.let_leases_end()
    for _ in range(ROUNDS):
        world.let_waits_end()
        world.reconcile()
        check()
        while world.messages:
            work_to_the_end(world, world.receive(world.messages.pop(), large=False), check)
        if not world.in_flight():
            return
    raise AssertionError(f"still on its way: {[scene['media'] for scene in world.in_flight()]}")


def work_to_the_end(world: World, worker: Worker | None, check: Callable[[], None]) -> None:
    """What a worker does that nothing befalls."""
    check()
    while worker is not None and not worker.done:
        world.work(worker)
        check()


def check_rest(world: World) -> None:
    """Every scene has ended; when all time is over, the bucket holds what ready scenes own, and nothing else."""
    for scene in world.scenes().values():
        if not scene["deletion"] and scene["media"]:
            assert scene["media"]["status"] in {"ready", "failed", "canceled"}
    for _ in range(2):
        world.let_deletions_end()
        world.let_lost_workers_end()
        world.reconcile()
        world.clean_up()
    world.reconcile()
    scenes = world.scenes()
    assert {scene_id for scene_id, scene in scenes.items() if scene["deletion"]} == set()
    projects = world.on.database["projects"].count_documents({})
    assert projects == (0 if world.gone else 1)
    assert world.gone or set(scenes) == world.alive
    owned = {
        part["key"]
        for scene in scenes.values()
        if scene["media"] and scene["media"]["status"] == "ready"
        for part in (scene["media"]["original"], scene["media"]["poster"])
    }
    prefix = f"{keys.ROOT}{world.project_id}/"
    assert set(world.on.bucket.keys(prefix)) == owned
    assert [item.key for item in world.on.bucket.open_uploads(prefix)] == []

"""What must not lose a scene, store it twice, or leave a file behind: what people do, and processes that die.

The numbered experiments are in tests/faults.
"""

import signal
from pathlib import Path

import httpx2
import pytest

from app.core.database import Document
from app.demo.origin import Origin
from tests.servers import wait_for
from tests.stack import IN_COMMAND_LINE, RunningStack, running_stack

SLOW = 700_000  # bytes a second: about 2.3 s for clip.mp4


def assert_stored_once(stack: RunningStack, scene: Document, origin: Origin, name: str = "clip.mp4") -> Document:
    media = stack.wait_ended(scene, seconds=60)
    assert media["status"] == "ready", media
    assert media["original"]["checksum"] == f"sha256:{origin.sha256(name)}"
    extension = name.rpartition(".")[2]
    generation = media["generation"]
    expected = [f"{generation}/original.{extension}", f"{generation}/poster.webp"]
    wait_for(lambda: stack.stored(scene) == expected, 10, f"one object, not {stack.stored(scene)}")
    assert stack.uploads(scene) == []
    return media


def assert_nothing_left(stack: RunningStack, scene: Document) -> None:
    wait_for(lambda: not stack.stored(scene) and not stack.uploads(scene), 15, f"empty: {stack.stored(scene)}")


def test_a_worker_killed_in_mid_download_loses_nothing(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=SLOW))
    stack.wait_bytes(scene)
    stack.kill("worker")
    media = assert_stored_once(stack, scene, origin)
    assert [attempt["outcome"] for attempt in media["attempts"]] == ["crashed", "ready"]


def test_a_scene_whose_worker_died_does_not_wait_behind_the_backlog_again(tmp_path: Path, origin: Origin) -> None:
    with running_stack(tmp_path / "data", TAKEUP_CONCURRENCY="1") as stack:
        first = stack.store(origin.url("clip.mp4", rate=SLOW))
        stack.wait_bytes(first)
        backlog = [stack.store(origin.url("clip.mp4", rate=SLOW, copy=n)) for n in range(8)]
        for child in stack.pool_children():
            child.kill()
        rescued = assert_stored_once(stack, first, origin)
        last = stack.wait_ended(backlog[-1], seconds=90)
    assert rescued["attempts"][0]["outcome"] == "crashed"
    assert rescued["status_at"] < last["status_at"]


def test_a_replaced_link_leaves_only_the_new_one(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=SLOW))
    stack.wait_bytes(scene)
    answer = stack.request(scene, url=origin.url("tail.mp4"))
    assert (answer.status_code, answer.json()["generation"]) == (202, 2)
    assert_stored_once(stack, scene, origin, "tail.mp4")


def test_an_edited_link_takes_the_stored_file_away_and_waits_to_be_stored(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("photo.jpg"))
    stack.wait(scene, "ready")
    edited = stack.http.patch(f"/scenes/{scene['id']}", json={"source_url": origin.url("loop.gif")})
    assert edited.json()["media"]["status"] == "pending"
    assert_stored_once(stack, scene, origin, "loop.gif")


def test_a_scene_deleted_while_it_downloads_leaves_nothing(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=SLOW))
    stack.wait_bytes(scene)
    assert stack.http.delete(f"/scenes/{scene['id']}").status_code == 202
    assert stack.http.get(f"/scenes/{scene['id']}").status_code == 404
    wait_for(lambda: stack.document(scene) is None, 20, "the document is removed last")
    assert (stack.stored(scene), stack.uploads(scene)) == ([], [])


def test_a_deleted_project_takes_its_scenes_and_files_along(stack: RunningStack, origin: Origin) -> None:
    first = stack.store(origin.url("photo.jpg"))
    stack.wait(first, "ready")
    project = first["project_id"]
    second = stack.add(origin.url("clip.mp4", rate=SLOW), project)
    stack.request(second).raise_for_status()
    stack.wait_bytes(second)
    assert stack.http.delete(f"/projects/{project}").status_code == 202
    assert stack.http.get(f"/projects/{project}").status_code == 404
    wait_for(lambda: stack.database["projects"].find_one({"_id": project}) is None, 20, "the project is removed")
    for scene in (first, second):
        assert (stack.stored(scene), stack.uploads(scene)) == ([], [])


@pytest.mark.parametrize("name", sorted(IN_COMMAND_LINE))
def test_no_killed_process_loses_a_scene(stack: RunningStack, origin: Origin, name: str) -> None:
    running = stack.store(origin.url("clip.mp4", rate=SLOW))
    stack.wait_bytes(running)
    waiting = stack.store(origin.url("photo.jpg"))
    old = stack.pid(name)
    stack.kill(name)
    wait_for(lambda: _answers(stack, name, old), 40, f"{name} is back")
    assert_stored_once(stack, running, origin)
    assert_stored_once(stack, waiting, origin, "photo.jpg")


def _answers(stack: RunningStack, name: str, old: int) -> bool:
    try:
        return stack.pid(name) != old and stack.http.get("/projects").status_code == 200
    except (AssertionError, httpx2.HTTPError):
        return False


def test_a_killed_supervisor_leaves_no_process_and_loses_no_scene(tmp_path: Path, origin: Origin) -> None:
    with running_stack(tmp_path / "data") as stack:
        running = stack.store(origin.url("clip.mp4", rate=SLOW))
        stack.wait_bytes(running)
        waiting = stack.store(origin.url("photo.jpg"))
        stack.stop(signal.SIGKILL)
        stack.start()
        assert_stored_once(stack, running, origin)
        assert_stored_once(stack, waiting, origin, "photo.jpg")


def test_stopped_and_started_again_everything_is_still_there(tmp_path: Path, origin: Origin) -> None:
    with running_stack(tmp_path / "data") as stack:
        scene = stack.store(origin.url("photo.jpg"))
        stack.wait(scene, "ready")
        body = stack.content(scene)
        stack.stop()
        assert stack.process.returncode == 0
        stack.start()
        assert stack.media(scene)["status"] == "ready"
        assert stack.content(scene) == body


def test_a_worker_killed_in_mid_extraction_leaves_no_scratch_folder(stack: RunningStack, origin: Origin) -> None:
    scratch = stack.settings.scratch_dir
    scene = stack.store(origin.url("hls/master.m3u8"))
    wait_for(lambda: list(scratch.glob("job-*")), 20, "a scratch folder")
    stack.kill("worker")
    assert stack.wait_ended(scene, seconds=60)["status"] == "ready"
    wait_for(lambda: not list(scratch.glob("job-*")), 10, "no scratch folder")

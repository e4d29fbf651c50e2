"""What must not lose a scene, store it twice, or leave a file behind: faults of processes, messages and people."""

import signal
import time
from functools import partial
from pathlib import Path

import httpx2
import psutil
import pytest
from redis import Redis

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


def test_a_killed_pool_child_costs_one_attempt(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=SLOW))
    stack.wait_bytes(scene)
    worker = stack.pid("worker")
    for child in stack.pool_children():
        child.kill()
    media = assert_stored_once(stack, scene, origin)
    assert [attempt["outcome"] for attempt in media["attempts"]] == ["crashed", "ready"]
    assert stack.pid("worker") == worker


def test_an_input_that_always_kills_its_worker_fails_after_the_cap(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=100_000))
    stack.database["scenes"].update_one({"_id": scene["id"]}, {"$set": {"media.max_attempts": 2}})
    for attempt in (1, 2):
        wait_for(partial(_downloads, stack, scene, attempt), 30, f"attempt {attempt} downloads")
        for child in stack.pool_children():
            child.kill()
    media = stack.wait_ended(scene)
    assert (media["status"], media["error"]["code"]) == ("failed", "worker.crashed")
    assert_nothing_left(stack, scene)


def _downloads(stack: RunningStack, scene: Document, attempt: int) -> bool:
    media = stack.media(scene)
    return bool(media["attempt"] == attempt and media["status"] == "downloading")


def test_the_same_message_twenty_times_is_one_claim_and_one_object(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=SLOW))
    for _ in range(20):
        stack.celery.send_task(
            "app.tasks.media_tasks.download_media_task", (scene["id"], 1), queue="media", ignore_result=True
        )
    media = assert_stored_once(stack, scene, origin)
    assert media["attempt"] == 1


def test_a_lost_message_only_delays(stack: RunningStack, origin: Origin) -> None:
    with stack.frozen("worker"):
        scenes = [stack.store(origin.url("photo.jpg", copy=n)) for n in range(3)]
        client = Redis.from_url(stack.settings.redis_url)
        wait_for(lambda: client.llen("takeup:media") >= 3, 10, "the messages are in the broker")
        client.flushall()
        client.close()
    for scene in scenes:
        assert_stored_once(stack, scene, origin, "photo.jpg")


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


def test_a_canceled_download_stops_within_two_seconds_and_leaves_nothing(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=50_000))
    stack.wait_bytes(scene)
    assert stack.http.post(f"/media/{scene['id']}/cancel").json()["status"] == "canceled"
    sent = origin.bytes_sent["clip.mp4"]
    time_of_last_byte = time.monotonic()
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        if origin.bytes_sent["clip.mp4"] != sent:
            sent, time_of_last_byte = origin.bytes_sent["clip.mp4"], time.monotonic()
        time.sleep(0.05)
    assert deadline - time_of_last_byte > 2
    assert stack.media(scene)["status"] == "canceled"
    assert_nothing_left(stack, scene)
    assert stack.http.post(f"/media/{scene['id']}/cancel").status_code == 202
    assert stack.http.post(f"/media/{scene['id']}/retry").json()["generation"] == 2
    stack.http.delete(f"/scenes/{scene['id']}").raise_for_status()


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


def test_with_the_broker_frozen_a_request_is_answered_at_once_and_served_later(
    stack: RunningStack, origin: Origin
) -> None:
    with stack.frozen("redis"):
        scene = stack.add(origin.url("photo.jpg"))
        started = time.monotonic()
        assert stack.request(scene).status_code == 202
        assert time.monotonic() - started < 1
    assert_stored_once(stack, scene, origin, "photo.jpg")


def test_with_the_broker_dead_a_request_is_answered_and_served_later(stack: RunningStack, origin: Origin) -> None:
    scene = stack.add(origin.url("photo.jpg"))
    stack.kill("redis")
    assert stack.request(scene).status_code == 202
    assert_stored_once(stack, scene, origin, "photo.jpg")


def test_a_worker_stopped_past_its_lease_cannot_harm_what_came_after(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=SLOW))
    stack.wait_bytes(scene)
    [stopped] = [child for child in stack.pool_children() if _holds(stack, scene, child)]
    stopped.send_signal(signal.SIGSTOP)
    try:
        media = assert_stored_once(stack, scene, origin)
    finally:
        stopped.send_signal(signal.SIGCONT)
    assert media["attempt"] == 2
    again = stack.store(origin.url("photo.jpg"))
    stack.wait(again, "ready")
    wait_for(lambda: _idle(stopped, origin), 20, "the stale worker gave up")
    assert assert_stored_once(stack, scene, origin)["attempts"] == media["attempts"]


def _holds(stack: RunningStack, scene: Document, child: psutil.Process) -> bool:
    lease = (stack.document(scene) or {})["media"]["lease"]
    return bool(lease["worker"].endswith(f"/{child.pid}"))


def _idle(child: psutil.Process, origin: Origin) -> bool:
    """It reads from no origin any more."""
    return not [c for c in child.net_connections("tcp") if c.status == "ESTABLISHED" and c.raddr.port == origin.port]


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

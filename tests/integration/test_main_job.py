"""The main job with real processes: every kind of link ends as it should, and leaves nothing that no scene owns."""

import hashlib
import re
import subprocess
import sys

import pytest

from app.demo.origin import Origin
from tests.stack import RunningStack


def test_the_demo_stores_every_kind_of_link_and_exits_0() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "demo"], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"SHA-256 equal", done.stdout)) == 5
    assert "Every link ended as it should." in done.stdout


def test_a_stored_clip_is_probed_has_a_poster_and_plays(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", disposition="My clip.mp4"))
    media = stack.wait_ended(scene)
    assert media["status"] == "ready"
    assert media["probe"]["kind"] == "video"
    assert (media["probe"]["width"], media["probe"]["height"]) == (1280, 720)
    assert media["original"]["filename"] == "My clip.mp4"
    assert media["original"]["checksum"] == f"sha256:{origin.sha256('clip.mp4')}"
    assert hashlib.sha256(stack.content(scene)).hexdigest() == origin.sha256("clip.mp4")
    assert stack.content(scene, "poster")[8:12] == b"WEBP"
    assert media["poster"] == {"width": 640, "height": 360}
    assert stack.stored(scene) == ["1/original.mp4", "1/poster.webp"]
    assert [attempt["outcome"] for attempt in media["attempts"]] == ["ready"]


def test_a_large_file_is_stored_in_parts_and_removed_when_it_is_damaged(stack: RunningStack, origin: Origin) -> None:
    """Random bytes behind an MP4's first box: stored in full, then found to be damaged."""
    count = 40 << 20
    scene = stack.store(origin.url(f"bytes/{count}.mp4"))
    media = stack.wait_ended(scene)
    assert (media["status"], media["error"]["code"]) == ("failed", "media.malformed")
    assert media["attempts"][-1]["bytes"] == count
    assert (stack.stored(scene), stack.uploads(scene)) == ([], [])


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("status/404", {}, "link.not_found"),
        ("article.html", {}, "link.unsupported"),
        ("html-as-video", {}, "media.not_media"),
        ("empty", {}, "content.empty"),
        ("garbage.mp4", {}, "media.malformed"),
        ("bytes/99000000.mp4", {}, "content.too_large"),
        ("endless", {}, "content.too_large"),
        ("redirect/loop", {}, "link.unsupported"),
        ("redirect", {"to": "http://169.254.169.254/latest/meta-data"}, "link.blocked_address"),
        ("redirect", {"to": "http://[::ffff:10.0.0.1]/x.mp4"}, "link.blocked_address"),
        ("redirect", {"to": "file:///etc/passwd"}, "link.invalid"),
    ],
)
def test_what_cannot_be_stored_fails_with_its_code_and_leaves_nothing(
    stack: RunningStack, origin: Origin, path: str, query: dict[str, str], code: str
) -> None:
    scene = stack.store(origin.url(path, **query))
    media = stack.wait_ended(scene)
    assert (media["status"], media["error"]["code"]) == ("failed", code)
    assert media["error"]["message"]
    assert media["error"]["hint"]
    assert (stack.stored(scene), stack.uploads(scene)) == ([], [])


def test_a_link_to_a_private_address_is_blocked(stack: RunningStack) -> None:
    media = stack.wait_ended(stack.store("http://192.168.0.1/clip.mp4"))
    assert media["error"]["code"] == "link.blocked_address"


@pytest.mark.parametrize("query", [{"noranges": 1, "truncate": 50_000}, {"chunked": 1, "truncate": 50_000}])
def test_a_truncated_body_is_tried_again_and_then_fails(
    stack: RunningStack, origin: Origin, query: dict[str, int]
) -> None:
    scene = stack.store(origin.url("clip.webm", **query))
    media = stack.wait_ended(scene, seconds=120)
    assert (media["status"], media["error"]["code"]) == ("failed", "fetch.truncated")
    assert [attempt["code"] for attempt in media["attempts"]] == ["fetch.truncated"] * 5
    assert (stack.stored(scene), stack.uploads(scene)) == ([], [])


def test_a_cut_where_ranges_are_known_costs_nothing(stack: RunningStack, origin: Origin) -> None:
    media = stack.wait_ended(stack.store(origin.url("clip.webm", truncate=50_000)))
    assert (media["status"], media["attempt"]) == ("ready", 1)
    assert media["original"]["checksum"] == f"sha256:{origin.sha256('clip.webm')}"


def test_a_source_that_recovers_is_stored_and_its_attempts_are_told(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("tone.mp3", fail_first=2))
    media = stack.wait_ended(scene)
    assert media["status"] == "ready"
    assert [attempt["code"] for attempt in media["attempts"]] == ["fetch.server_error", "fetch.server_error", None]


def test_a_source_without_length_is_stored_whole(stack: RunningStack, origin: Origin) -> None:
    media = stack.wait_ended(stack.store(origin.url("clip.webm", chunked=1)))
    assert media["original"]["checksum"] == f"sha256:{origin.sha256('clip.webm')}"


def test_a_pending_scene_is_stored_though_nobody_asks(stack: RunningStack, origin: Origin) -> None:
    scene = stack.add(origin.url("photo.jpg"))
    assert stack.media(scene)["status"] == "pending"
    assert stack.wait_ended(scene)["status"] == "ready"


def test_asking_again_queues_nothing_and_force_fetches_anew(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("photo.jpg"))
    stack.wait(scene, "ready")
    again = stack.request(scene)
    assert (again.status_code, again.json()["generation"], again.json()["status"]) == (202, 1, "ready")
    forced = stack.request(scene, force=True)
    assert (forced.status_code, forced.json()["generation"], forced.json()["status"]) == (202, 2, "queued")
    stack.wait(scene, "ready")
    assert stack.stored(scene) == ["2/original.jpg", "2/poster.webp"]


def test_progress_is_shown_while_it_downloads(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=600_000))
    media = stack.wait_bytes(scene, 300_000)
    assert media["status"] == "downloading"
    assert media["progress"]["bytes_total"] > 1_000_000
    assert 0 < media["progress"]["percent"] < 100
    assert media["progress"]["speed_bps"] > 0
    stack.wait(scene, "ready")

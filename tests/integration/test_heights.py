"""A height that a request asks for: through the API, the command line, a worker and yt-dlp."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from app.core.database import Document
from app.demo.origin import Origin
from tests.integration.test_api import problem
from tests.integration.test_resolve import resolve
from tests.stack import RunningStack


@pytest.fixture
def two_heights(stack: RunningStack, origin: Origin) -> Iterator[str]:
    """A page that offers one video with 720 lines, and one with 360."""
    (folder := stack.data_dir.parent / uuid4().hex).mkdir()
    offered = {"clip.mp4": "720p", "tail.mp4": "360p"}
    sources = "".join(
        f'<source src="{origin.url(name)}" type="video/mp4" label="{label}">' for name, label in offered.items()
    )
    (folder / "page.html").write_text(f"<html><title>Boats</title><video>{sources}</video></html>")
    with Origin(folder) as site:
        yield site.url("page.html")


@pytest.mark.parametrize(("max_height", "height"), [(None, 720), (4320, 720), (500, 360), (144, 360)])
def test_what_would_be_stored_is_told_for_the_height_that_is_asked_for(
    stack: RunningStack, two_heights: str, max_height: int | None, height: int
) -> None:
    ended = resolve(stack, two_heights, max_height=max_height)
    assert ended["max_height"] == max_height
    assert {one["height"]: one["stored"] for one in ended["media"]["formats"]} == {
        720: height == 720,
        360: height == 360,
    }


def test_the_height_that_is_asked_for_is_stored_and_another_is_another_request(
    stack: RunningStack, two_heights: str
) -> None:
    def stored(scene: Document) -> tuple[int, int | None, int]:
        media = stack.wait(scene, "ready")
        return media["generation"], media["max_height"], media["probe"]["height"]

    scene = stack.store(two_heights, max_height=500)
    assert stored(scene) == (1, 500, 360)
    for same in ({"max_height": 500}, {}):
        assert stack.request(scene, **same).json()["generation"] == 1
    assert stack.request(scene, max_height=720).json()["generation"] == 2
    assert stored(scene) == (2, 720, 720)


def test_the_command_line_asks_for_a_height(stack: RunningStack, two_heights: str) -> None:
    def run(command: str, height: int) -> tuple[int, Any]:
        line = [sys.executable, "-m", "app.cli", command, two_heights, "--max-height", str(height)]
        done = subprocess.run(
            [*line, "--server", stack.url, "--json"], capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    code, resolution = run("resolve", 500)
    assert (code, [one["height"] for one in resolution["media"]["formats"] if one["stored"]]) == (0, [360])
    code, stored = run("store", 500)
    assert (code, [scene["media"]["probe"]["height"] for scene in stored["scenes"]]) == (0, [360])
    code, refusal = run("store", 100)
    assert (code, "144" in refusal) == (2, True), refusal


@pytest.mark.parametrize("height", [143, 4321, 0, -720, 720.5, "tall", [720]])
def test_a_height_that_makes_no_sense_is_refused_with_a_sentence(stack: RunningStack, height: object) -> None:
    scene = stack.add("https://example.com/clip.mp4")
    answer = stack.request(scene, max_height=height)
    assert problem(answer) == (422, "request.invalid")
    [wrong] = answer.json()["errors"]
    assert wrong["at"] == "body.max_height"
    assert wrong["message"].startswith("Input should be")
    assert stack.media(scene)["max_height"] is None


def test_a_key_stands_for_one_height(stack: RunningStack) -> None:
    scene = stack.add("https://example.com/clip.mp4")
    ids = {"project_id": scene["project_id"], "scene_id": scene["id"]}
    key = {"Idempotency-Key": "a-key-of-one-height"}
    first = stack.http.post("/media/store", json={**ids, "max_height": 720}, headers=key)
    again = stack.http.post("/media/store", json={**ids, "max_height": 720}, headers=key)
    assert (again.status_code, again.json()) == (202, first.json())
    other = stack.http.post("/media/store", json={**ids, "max_height": 360}, headers=key)
    assert problem(other) == (422, "request.key_reused")

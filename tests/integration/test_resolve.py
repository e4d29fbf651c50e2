"""What is behind a link, told without storing it: through the API, the broker and a worker."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from app.core.database import Document
from app.crud import crud_api_key
from app.crud.crud_resolution import MAX_WAITING
from app.demo.origin import Origin
from tests.integration.test_api import UNKNOWN, problem
from tests.servers import wait_for
from tests.stack import RunningStack, running_stack

SECONDS = 40.0


def ask(stack: RunningStack, url: str, **more: Any) -> httpx2.Response:
    return stack.http.post("/media/resolve", json={"url": url, **more})


def read(stack: RunningStack, resolution: Document) -> Document:
    found: Document = stack.http.get(f"/media/resolve/{resolution['id']}").raise_for_status().json()
    return found


def wait_ended(stack: RunningStack, resolution: Document) -> Document:
    def look() -> Document | None:
        found = read(stack, resolution)
        return found if found["status"] != "resolving" else None

    return wait_for(look, SECONDS, f"an answer about {resolution['url']}")


def resolve(stack: RunningStack, url: str, **more: Any) -> Document:
    return wait_ended(stack, ask(stack, url, **more).raise_for_status().json())


def another(origin: Origin, path: str) -> str:
    """A link that no other test has asked for within the minute."""
    return origin.url(path, copy=uuid4().hex)


def counts(stack: RunningStack) -> tuple[int, list[str]]:
    return stack.database["scenes"].count_documents({}), list(stack.bucket.keys("projects/"))


def test_a_file_is_told_from_its_head_and_nothing_of_it_is_stored(stack: RunningStack, origin: Origin) -> None:
    before = counts(stack)
    url = another(origin, "clip.mp4")
    asked = ask(stack, url)
    made = asked.json()
    assert (asked.status_code, made["status"], made["url"]) == (202, "resolving", url)
    assert made.keys() >= {"available", "media", "error", "created_at", "expires_at"}
    assert (made["available"], made["media"], made["error"]) == (None, None, None)
    assert asked.headers["location"] == f"/api/v1/media/resolve/{made['id']}"
    ended = wait_ended(stack, made)
    size = len(httpx2.get(url).content)
    inside = {"name": None, "height": 720, "fps": 25.0, "video_codec": "h264", "audio_codec": "aac"}
    assert (ended["status"], ended["available"], ended["error"]) == ("resolved", True, None)
    assert ended["media"] == {
        "title": "clip.mp4",
        "kind": "video",
        "duration_s": 5.0,
        "bytes": size,
        "container": "mp4",
        "content_type": "video/mp4",
        "entries": None,
        "formats": [inside | {"id": "file", "container": "mp4", "bytes": size, "stored": True}],
    }
    assert counts(stack) == before


@pytest.mark.parametrize(("name", "kind"), [("tone.mp3", "audio"), ("photo.jpg", "image"), ("clip.webm", "video")])
def test_the_kind_is_told_by_the_first_bytes(stack: RunningStack, origin: Origin, name: str, kind: str) -> None:
    assert resolve(stack, another(origin, name))["media"]["kind"] == kind


def test_a_page_is_told_with_its_title_and_the_size_of_what_it_shows(stack: RunningStack, origin: Origin) -> None:
    before = counts(stack)
    ended = resolve(stack, another(origin, "watch.html"))
    assert (ended["status"], ended["available"]) == ("resolved", True), ended
    assert "Harbour at dusk" in ended["media"]["title"]
    assert ended["media"]["bytes"] == len(httpx2.get(origin.url("clip.mp4")).content)
    assert ended["media"]["content_type"] == "video/mp4"
    assert [item["stored"] for item in ended["media"]["formats"]] == [True]
    assert counts(stack) == before


def test_a_playlist_is_told_with_its_formats_and_no_segment_is_fetched(stack: RunningStack, origin: Origin) -> None:
    segments = {path: n for path, n in origin.requests.items() if path.endswith(".ts")}
    media = resolve(stack, another(origin, "hls/master.m3u8"))["media"]
    assert (media["kind"], media["duration_s"]) == ("video", 6.0)
    [offered] = media["formats"]
    assert (offered["height"], offered["stored"], offered["video_codec"][:4]) == (360, True, "avc1")
    assert {path: n for path, n in origin.requests.items() if path.endswith(".ts")} == segments


@pytest.mark.parametrize(
    ("path", "code", "retryable"),
    [
        ("status/404", "link.not_found", False),
        ("status/401", "fetch.login_required", False),
        ("status/503", "fetch.server_error", True),
        ("html-as-video", "media.not_media", False),
        ("empty", "content.empty", False),
        ("article.html", "link.unsupported", False),
        ("bytes/5000", "media.not_media", False),
        ("redirect/loop", "link.unsupported", False),
    ],
)
def test_what_cannot_be_stored_says_why_as_storing_would(
    stack: RunningStack, origin: Origin, path: str, code: str, retryable: object
) -> None:
    url = another(origin, path)
    ended = resolve(stack, url)
    assert (ended["status"], ended["available"]) == ("resolved", False)
    assert (ended["error"]["code"], ended["error"]["retryable"]) == (code, retryable)
    if not retryable:
        assert stack.wait_ended(stack.store(url))["error"] == ended["error"]


@pytest.mark.parametrize("through", ["itself", "a redirect", "a page"])
def test_an_inner_address_is_not_reached(stack: RunningStack, origin: Origin, through: str) -> None:
    (folder := stack.data_dir.parent / uuid4().hex).mkdir()
    with Origin(folder, host="127.0.0.2") as inner, Origin(folder) as outer:
        hidden = inner.url("clip.mp4")
        (folder / "page.html").write_text(
            f'<html><title>x</title><video src="{hidden}" type="video/mp4"></video></html>'
        )
        links = {"itself": hidden, "a redirect": outer.url("redirect", to=hidden), "a page": outer.url("page.html")}
        ended = resolve(stack, links[through])
        assert (ended["available"], ended["error"]["code"]) == (False, "link.blocked_address")
        assert inner.requests == {}


@pytest.mark.parametrize(
    "link", ["clip", "file:///etc/passwd", "ytsearch5:cats", "http://u:p@example.com/", "http://a b/"]
)
def test_what_is_no_link_is_refused_at_once(stack: RunningStack, link: str) -> None:
    before = stack.database["resolutions"].count_documents({})
    assert problem(ask(stack, link)) == (422, "link.invalid")
    assert stack.database["resolutions"].count_documents({}) == before


def test_the_same_link_is_looked_at_once_within_the_minute(stack: RunningStack, origin: Origin) -> None:
    with Origin(stack.data_dir.parent) as quiet:
        url = quiet.url("status/404")
        first = ask(stack, url).json()
        wait_ended(stack, first)
        assert ask(stack, url).json() == read(stack, first)
        assert quiet.requests == {"status/404": 1}


def test_a_resolution_belongs_to_its_workspace(stack: RunningStack, origin: Origin) -> None:
    made = ask(stack, another(origin, "photo.jpg")).json()
    assert problem(stack.http.get(f"/media/resolve/{UNKNOWN}")) == (404, "resolve.not_found")
    key = crud_api_key.create_key(stack.database, "resolver", "elsewhere")
    try:
        wait_for(lambda: stack.http.get("/projects").status_code == 401, 5, "a key is asked for")
        theirs = {"Authorization": f"Bearer {key}"}
        answer = stack.http.get(f"/media/resolve/{made['id']}", headers=theirs)
        assert problem(answer) == (404, "resolve.not_found")
    finally:
        crud_api_key.revoke_key(stack.database, "resolver")
        wait_for(lambda: stack.http.get("/projects").status_code == 200, 5, "no key is asked for")


def test_too_many_at_once_are_refused_until_some_have_their_answer(stack: RunningStack, origin: Origin) -> None:
    with stack.frozen("worker"):
        waiting = [ask(stack, another(origin, "photo.jpg")) for _ in range(MAX_WAITING)]
        assert {answer.status_code for answer in waiting} == {202}
        refused = ask(stack, another(origin, "photo.jpg"))
        assert problem(refused) == (429, "resolve.too_many")
        assert int(refused.headers["retry-after"]) > 0
    for answer in waiting:
        assert wait_ended(stack, answer.json())["available"]
    assert ask(stack, another(origin, "photo.jpg")).status_code == 202


def test_one_that_nobody_rang_for_is_answered(stack: RunningStack, origin: Origin) -> None:
    with stack.frozen("worker"):
        made = ask(stack, another(origin, "photo.jpg")).json()
        document: Any = stack.database["resolutions"].find_one({"_id": made["id"]})
        lost = {**document, "_id": str(uuid4()), "url": another(origin, "tone.mp3")}
        stack.database["resolutions"].insert_one(lost)
    assert wait_ended(stack, {"id": lost["_id"], "url": lost["url"]})["media"]["kind"] == "audio"


def test_the_command_line_tells_it_too(stack: RunningStack, origin: Origin) -> None:
    def run(url: str, *options: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "app.cli", "resolve", url, "--server", stack.url, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    code, shown = run(another(origin, "photo.jpg"))
    assert (code, "image/jpeg" in shown, "yes" in shown) == (0, True, True), shown
    code, shown = run(origin.url("status/404"), "--json")
    assert (code, json.loads(shown)["error"]["code"]) == (1, "link.not_found")
    code, shown = run("nope")
    assert (code, "link.invalid" in shown) == (2, True), shown


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack in which a link has three seconds to tell what it is."""
    times = {"TAKEUP_RESOLVE_SECONDS": "3", "TAKEUP_READ_TIMEOUT_SECONDS": "30"}
    with running_stack(tmp_path_factory.mktemp("hasty") / "data", **times) as running:
        yield running


def claimed(stack: RunningStack, resolution: Document, attempt: int) -> bool:
    found = stack.database["resolutions"].find_one({"_id": resolution["id"]})
    return found is not None and found["claimed"] and found["attempt"] == attempt


def test_a_stalled_source_ends_at_the_deadline(hasty: RunningStack, origin: Origin) -> None:
    made = ask(hasty, origin.url("clip.mp4", stall_after=0, copy=uuid4().hex)).json()
    wait_for(lambda: claimed(hasty, made, 1), 10, "taken up")
    begun = time.monotonic()
    ended = wait_ended(hasty, made)
    assert time.monotonic() - begun < 6
    assert (ended["status"], ended["available"], ended["error"]["code"]) == ("failed", None, "resolve.timeout")


def test_a_killed_workers_resolution_is_taken_up_by_another(hasty: RunningStack, origin: Origin) -> None:
    made = ask(hasty, origin.url("clip.mp4", stall_after=0, copy=uuid4().hex)).json()
    wait_for(lambda: claimed(hasty, made, 1), 10, "taken up")
    hasty.kill("worker")
    wait_for(lambda: claimed(hasty, made, 2), 30, "taken up again")
    assert wait_ended(hasty, made)["error"]["code"] == "resolve.timeout"

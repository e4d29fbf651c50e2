"""A browser that signs in: everything that a page asks for, and everything that it must not be let do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from app.crud import crud_api_key
from app.demo.origin import Origin
from tests.integration.test_api import problem
from tests.servers import wait_for
from tests.stack import RunningStack

SILENT_SECONDS = 8.0
"""A stream that is not ended says nothing for longer, and so fails the test."""


@pytest.fixture
def key(stack: RunningStack) -> Iterator[str]:
    """From here on a request without it is refused."""
    with stack.locked() as key:
        yield key


@contextmanager
def browser(stack: RunningStack, **headers: str) -> Iterator[httpx2.Client]:
    """It keeps cookies, and says with each request that a page of the server sends it."""
    own = {"Origin": stack.url, **headers}
    with httpx2.Client(base_url=f"{stack.url}/api/v1", headers=own, timeout=30) as client:
        yield client


def sign_in(page: httpx2.Client, key: str) -> httpx2.Response:
    return page.post("/session", json={"key": key}).raise_for_status()


def test_without_keys_nobody_is_asked_to_sign_in(stack: RunningStack) -> None:
    assert stack.http.get("/session").json() == {"key_required": False, "signed_in": None}


def test_a_browser_that_signed_in_gets_pages_pictures_and_event_streams(
    stack: RunningStack, origin: Origin, request: pytest.FixtureRequest
) -> None:
    scene = stack.store(origin.url("photo.jpg"))
    stack.wait(scene, "ready")
    key = request.getfixturevalue("key")
    with browser(stack) as page:
        assert page.get("/session").json() == {"key_required": True, "signed_in": None}
        assert problem(page.get(f"/media/{scene['id']}/content")) == (401, "auth.key_required")
        shown = {"key_required": True, "signed_in": {"key_name": "page", "workspace": "default"}}
        answer = sign_in(page, key)
        assert answer.json() == shown
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert page.get("/session").json() == shown
        assert page.get(f"/media/{scene['id']}/content").status_code == 307
        with page.stream("GET", f"/projects/{scene['project_id']}/events") as events:
            assert next(iter(httpx2.EventSource(events))).event == "snapshot"
        assert page.post("/projects", json={"title": "Signed in"}).status_code == 201
        assert page.delete("/session").json() == {"key_required": True, "signed_in": None}
        assert problem(page.get("/projects")) == (401, "auth.key_required")


def test_a_wrong_key_is_told_as_such(stack: RunningStack, key: str) -> None:
    with browser(stack) as page:
        for wrong in ("tk_wrong", key[:-1], "Bearer"):
            answer = page.post("/session", json={"key": wrong})
            assert problem(answer) == (401, "auth.wrong_key")
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_foreign_page_neither_signs_in_nor_changes_anything(
    stack: RunningStack, key: str, headers: dict[str, str]
) -> None:
    with browser(stack) as page:
        assert problem(page.post("/session", json={"key": key}, headers=headers)) == (403, "auth.foreign_origin")
        sign_in(page, key)
        repeated = {**headers, "Idempotency-Key": f"foreign {headers}"}
        for more in (headers, repeated):
            refused = page.post("/projects", json={"title": "Foreign"}, headers=more)
            assert problem(refused) == (403, "auth.foreign_origin")
        assert problem(page.delete("/session", headers=headers)) == (403, "auth.foreign_origin")
        assert page.get("/projects", headers=headers).status_code == 200
    assert stack.database["projects"].find_one({"title": "Foreign"}) is None


def test_behind_a_proxy_of_this_machine_that_speaks_https_the_cookie_is_secure(stack: RunningStack, key: str) -> None:
    with browser(stack, **{"X-Forwarded-Proto": "https"}) as page:
        told = sign_in(page, key).headers["set-cookie"]
    assert told.startswith("__Host-takeup=")
    assert "; Secure" in told


def test_a_revoked_key_ends_its_sessions_at_once_and_its_streams_within_seconds(stack: RunningStack) -> None:
    scene = stack.add()
    path = f"/projects/{scene['project_id']}/events"
    kept = crud_api_key.create_key(stack.database, "kept", "default")
    lost = crud_api_key.create_key(stack.database, "lost", "default")
    by_lost = {"Authorization": f"Bearer {lost}"}
    try:
        wait_for(lambda: stack.http.get("/projects").status_code == 401, 5, "a key is asked for")
        with browser(stack) as page, browser(stack) as other:
            sign_in(page, lost)
            sign_in(other, kept)
            with (
                page.stream("GET", path, timeout=SILENT_SECONDS) as by_session,
                stack.http.stream("GET", path, timeout=SILENT_SECONDS, headers=by_lost) as by_key,
                other.stream("GET", path) as going_on,
            ):
                streams = [iter(httpx2.EventSource(answer)) for answer in (by_session, by_key, going_on)]
                assert {next(stream).event for stream in streams} == {"snapshot"}
                crud_api_key.revoke_key(stack.database, "lost")
                assert problem(page.get("/projects")) == (401, "auth.key_required")
                assert [list(stream) for stream in streams[:2]] == [[], []]
                other.patch(f"/scenes/{scene['id']}", json={"text": "still here"}).raise_for_status()
                told: Any = next(streams[2]).json()
                assert told["text"] == "still here"
    finally:
        crud_api_key.revoke_key(stack.database, "kept")
        crud_api_key.revoke_key(stack.database, "lost")
        wait_for(lambda: stack.http.get("/projects").status_code == 200, 5, "no key is asked for")


def test_a_kept_answer_is_given_again_to_its_workspace_alone(stack: RunningStack, key: str) -> None:
    repeated = {"Idempotency-Key": f"kept for {key[:12]}"}
    body = {"title": "Kept"}
    stranger = crud_api_key.create_key(stack.database, "page", "next door")
    with browser(stack) as page, browser(stack) as other:
        sign_in(page, key)
        sign_in(other, stranger)
        first = page.post("/projects", json=body, headers=repeated)
        assert first.status_code == 201
        by_key = stack.http.post("/projects", json=body, headers={**repeated, "Authorization": f"Bearer {key}"})
        assert (by_key.json(), by_key.headers["idempotency-replayed"]) == (first.json(), "true")
        nobody = stack.http.post("/projects", json=body, headers=repeated)
        assert problem(nobody) == (401, "auth.key_required")
        theirs = other.post("/projects", json=body, headers=repeated)
        assert "idempotency-replayed" not in theirs.headers
        assert theirs.json()["id"] != first.json()["id"]


def test_signing_in_is_never_given_again(stack: RunningStack, key: str) -> None:
    repeated = {"Idempotency-Key": f"signing in with {key[:12]}"}
    with browser(stack) as page:
        for _ in range(3):
            answer = page.post("/session", json={"key": key}, headers=repeated).raise_for_status()
            assert "set-cookie" in answer.headers

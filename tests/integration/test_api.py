"""The HTTP API: what it takes, what it refuses and how, and what a browser sees."""

import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from app.crud import crud_api_key
from app.demo.origin import Origin
from tests.servers import wait_for
from tests.stack import RunningStack

UNKNOWN = "019a7c1e-5c3a-7b3e-9f0a-3d2b1c0a9e8d"


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of a problem document, which says what to do besides."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["detail"]
    assert body["hint"]
    return answer.status_code, body["code"]


@pytest.mark.parametrize(
    "link",
    [
        "clip",
        "",
        "file:///etc/passwd",
        "ytsearch5:cats",
        "data:text/plain,x",
        "ftp://example.com/x",
        "http://",
        "http://user:pass@example.com/x",
        "http://example.com/a b",
        "javascript:alert(1)",
        "http://example.com:99999/",
    ],
)
def test_what_is_no_link_is_refused_with_a_code(stack: RunningStack, link: str) -> None:
    scene = stack.add()
    status, code = problem(stack.request(scene, url=link))
    assert (status, code) in {(422, "link.invalid"), (422, "request.invalid")}
    assert code == "link.invalid" or link == ""


def test_unknown_and_foreign_things_are_not_found(stack: RunningStack) -> None:
    scene, other = stack.add("https://example.com/a.mp4"), stack.add("https://example.com/b.mp4")
    foreign = {"project_id": other["project_id"], "scene_id": scene["id"]}
    assert problem(stack.http.post("/media/store", json=foreign)) == (404, "scene.not_found")
    unknown = {"project_id": UNKNOWN, "scene_id": scene["id"]}
    assert problem(stack.http.post("/media/store", json=unknown)) == (404, "project.not_found")
    assert problem(stack.http.get(f"/projects/{UNKNOWN}")) == (404, "project.not_found")
    assert problem(stack.http.get(f"/projects/{UNKNOWN}/events")) == (404, "project.not_found")
    for method, path in [
        ("GET", "scenes/{}"),
        ("DELETE", "scenes/{}"),
        ("GET", "media/{}"),
        ("POST", "media/{}/retry"),
    ]:
        assert problem(stack.http.request(method, f"/{path.format(UNKNOWN)}")) == (404, "scene.not_found")


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/projects", {"title": "x" * 10_000}, (422, "request.invalid")),
        ("/projects", {"title": "   "}, (422, "request.invalid")),
        ("/projects", {"title": 7}, (422, "request.invalid")),
        ("/projects", {"titel": "x"}, (422, "request.invalid")),
        ("/projects", {"title": "\ud800"}, (422, "request.invalid")),
        ("/projects", ["x"], (422, "request.invalid")),
        ("/projects/{project}/scenes", {"text": "x" * 20_001}, (422, "request.invalid")),
        ("/projects/{project}/scenes", {"after": UNKNOWN}, (404, "scene.not_found")),
        ("/projects/{project}/scenes", {"after": "no-id"}, (422, "request.invalid")),
        ("/projects/{project}/scenes/batch", {"urls": []}, (422, "request.invalid")),
        ("/projects/{project}/scenes/batch", {"urls": ["https://e.com/x"] * 501}, (422, "request.invalid")),
        ("/projects/{project}/scenes/batch", {"urls": ["https://e.com/x", "nope"]}, (422, "link.invalid")),
        ("/projects/no-id/scenes", {}, (422, "request.invalid")),
        ("/media/no-id/cancel", None, (422, "request.invalid")),
        ("/media/resolve", {"url": "https://e.com/", "max_height": 143}, (422, "request.invalid")),
        ("/media/resolve", {"url": "https://e.com/", "max_height": 4321}, (422, "request.invalid")),
        ("/nowhere", {}, (404, "http.not_found")),
    ],
)
def test_bad_input_is_refused_with_a_code(stack: RunningStack, path: str, body: Any, expected: tuple[int, str]) -> None:
    project = stack.add()["project_id"]
    content = json.dumps(body)
    answer = stack.http.post(
        path.format(project=project), content=content, headers={"Content-Type": "application/json"}
    )
    assert problem(answer) == expected


def test_a_body_that_is_no_json_and_one_that_is_too_large_are_refused(stack: RunningStack) -> None:
    as_json = {"Content-Type": "application/json"}
    assert problem(stack.http.post("/projects", content=b"{", headers=as_json)) == (422, "request.invalid")
    assert problem(stack.http.post("/projects", content=b"\xff", headers=as_json))[0] in {400, 422}
    large = json.dumps({"title": "x" * 3_000_000})
    assert problem(stack.http.post("/projects", content=large, headers=as_json)) == (413, "request.too_large")

    def chunks() -> Any:
        yield from (b"x" * 100_000 for _ in range(30))

    assert problem(stack.http.post("/projects", content=chunks(), headers=as_json)) == (413, "request.too_large")


@pytest.mark.parametrize("cursor", ["x", "é", "AAAA", "bm8taWQ", "=", "..%2F"])
def test_a_made_up_cursor_is_refused(stack: RunningStack, cursor: str) -> None:
    answer = stack.http.get("/projects", params={"cursor": cursor})
    assert problem(answer) == (422, "request.invalid_cursor")


def test_pages_of_projects_hold_each_once_newest_first(stack: RunningStack) -> None:
    made = [stack.http.post("/projects", json={"title": f"P{n}"}).json()["id"] for n in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = stack.http.get("/projects", params=query).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert [project for project in seen if project in made] == made[::-1]


def test_a_summary_counts_the_scenes_and_names_the_first_posters(stack: RunningStack, origin: Origin) -> None:
    project = stack.add()["project_id"]
    stored = [stack.add(origin.url(name), project) for name in ("photo.jpg", "garbage.mp4", "photo.jpg")]
    for scene in stored:
        stack.request(scene)
        stack.wait_ended(scene)
    stack.add(origin.url("photo.jpg"), project)  # asked for by nobody, or by the reconciler meanwhile
    summary = stack.http.get(f"/projects/{project}/summary").json()
    assert summary["scenes"] == 5
    assert summary["by_status"]["failed"] == 1
    assert sum(summary["by_status"].values()) == 4
    assert [still["scene_id"] for still in summary["stills"]][:2] == [stored[0]["id"], stored[2]["id"]]


def test_scenes_keep_the_order_they_are_given(stack: RunningStack) -> None:
    first = stack.add()
    project = first["project_id"]
    batch = {"urls": [f"https://example.com/{n}.mp4" for n in range(3)]}
    a, b, c = (s["id"] for s in stack.http.post(f"/projects/{project}/scenes/batch", json=batch).json()["items"])

    def order() -> list[str]:
        return [scene["id"] for scene in stack.http.get(f"/projects/{project}").json()["scenes"]]

    assert order() == [first["id"], a, b, c]
    stack.http.patch(f"/scenes/{c}", json={"after": None}).raise_for_status()
    assert order() == [c, first["id"], a, b]
    stack.http.patch(f"/scenes/{first['id']}", json={"after": b}).raise_for_status()
    assert order() == [c, a, b, first["id"]]
    between = stack.http.post(f"/projects/{project}/scenes", json={"text": "new", "after": a}).json()["id"]
    assert order() == [c, a, between, b, first["id"]]
    top = stack.http.post(f"/projects/{project}/scenes", json={"after": None}).json()["id"]
    assert order() == [top, c, a, between, b, first["id"]]
    edited = stack.http.patch(f"/scenes/{a}", json={"text": "said"}).json()
    assert (edited["text"], edited["version"]) == ("said", 2)


def test_acts_that_do_not_fit_the_state_are_refused_and_repeats_are_harmless(
    stack: RunningStack, origin: Origin
) -> None:
    empty = stack.add()
    assert problem(stack.request(empty)) == (409, "scene.no_link")
    assert problem(stack.http.get(f"/media/{empty['id']}")) == (409, "scene.no_link")
    assert problem(stack.http.get(f"/media/{empty['id']}/content")) == (404, "media.not_stored")
    scene = stack.store(origin.url("photo.jpg"))
    stack.wait(scene, "ready")
    assert problem(stack.http.post(f"/media/{scene['id']}/cancel")) == (409, "media.not_running")
    assert problem(stack.http.post(f"/media/{scene['id']}/retry")) == (409, "media.not_failed")
    assert [stack.http.delete(f"/scenes/{scene['id']}").status_code] == [202]
    assert problem(stack.request(scene)) == (404, "scene.not_found")


def test_a_repeated_request_with_a_key_is_served_once(stack: RunningStack) -> None:
    key = {"Idempotency-Key": "a-key-of-this-test"}
    first = stack.http.post("/projects", json={"title": "Once"}, headers=key)
    again = stack.http.post("/projects", json={"title": "Once"}, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = stack.http.post("/projects", json={"title": "Other"}, headers=key)
    assert problem(other) == (422, "request.key_reused")
    assert stack.database["projects"].count_documents({"title": "Once"}) == 1


def test_content_is_served_by_the_bucket_under_our_type_and_name(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.webm", disposition="Ünïcode.webm"))
    stack.wait(scene, "ready")
    answer = stack.http.get(f"/media/{scene['id']}/content")
    assert answer.status_code == 307
    part = httpx2.get(answer.headers["location"], headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"\x1a\x45\xdf\xa3")
    assert part.headers["content-type"] == "video/webm"
    download = stack.http.get(f"/media/{scene['id']}/content", params={"download": "true"})
    whole = httpx2.get(download.headers["location"])
    assert whole.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%C3%9Cn")


def test_the_event_stream_shows_a_snapshot_then_every_state(stack: RunningStack, origin: Origin) -> None:
    scene = stack.add(origin.url("clip.mp4", rate=1_000_000))
    seen: list[str] = []
    with stack.http.stream("GET", f"/projects/{scene['project_id']}/events") as answer:
        events = iter(httpx2.EventSource(answer))
        first: Any = next(events).json()
        assert [item["id"] for item in first["scenes"]] == [scene["id"]]
        stack.request(scene).raise_for_status()
        for event in events:
            data: Any = event.json()
            if event.event == "scene_deleted":
                assert data == {"id": scene["id"]}
                break
            assert "lease" not in data["media"]
            seen.append(data["media"]["status"])
            if seen[-1] == "ready":
                stack.http.delete(f"/scenes/{scene['id']}").raise_for_status()
    assert "downloading" in seen
    assert seen[-1] == "ready"


def test_foreign_pages_and_names_are_refused_while_no_key_exists(stack: RunningStack) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Host": "127.0.0.1.evil.example"}):
        assert problem(stack.http.get("/projects", headers=headers)) == (403, "auth.foreign_origin")
    assert stack.http.get("/projects", headers={"Origin": "http://localhost:3000"}).status_code == 200


def test_a_key_opens_its_workspace_and_no_other(stack: RunningStack) -> None:
    mine = stack.add()
    key = crud_api_key.create_key(stack.database, "test", "elsewhere")
    try:
        wait_for(lambda: stack.http.get("/projects").status_code == 401, 5, "a key is asked for")
        assert problem(stack.http.get("/projects")) == (401, "auth.key_required")
        wrong = {"Authorization": "Bearer tk_wrong"}
        assert problem(stack.http.get("/projects", headers=wrong)) == (401, "auth.key_required")
        right = {"Authorization": f"Bearer {key}"}
        assert stack.http.get("/projects", headers=right).json()["items"] == []
        assert problem(stack.http.get(f"/scenes/{mine['id']}", headers=right)) == (404, "scene.not_found")
        assert stack.http.get("/projects", headers={**right, "Host": "takeup.example"}).status_code == 200
    finally:
        assert crud_api_key.revoke_key(stack.database, "test") == 1
        wait_for(lambda: stack.http.get("/projects").status_code == 200, 5, "no key is asked for")


def test_every_documented_operation_survives_generated_requests(stack: RunningStack) -> None:
    """No 500, and every answer as documented: schemathesis over the API's own description."""
    api = schemathesis.openapi.from_url(f"{stack.url}/openapi.json")
    endless = "/api/v1/projects/{project_id}/events"
    found = list(api.exclude(path=endless).get_all_operations())
    operations = [operation.ok() for operation in found if isinstance(operation, Ok)]
    assert len(operations) == len(found)
    assert len(operations) > 15
    for operation in operations:
        _send_generated(operation)


def _send_generated(operation: Any) -> None:
    @given(case=operation.as_strategy())
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def run(case: Case[Any]) -> None:
        # Links and cursors have rules that a schema cannot say, so a generated one may be refused with 422.
        case.call_and_validate(timeout=20, excluded_checks=[positive_data_acceptance])

    run()


def test_a_key_whose_request_died_with_its_server_is_free_again(stack: RunningStack) -> None:
    key = {"Idempotency-Key": "a-key-of-a-dead-server"}
    first = stack.http.post("/projects", json={"title": "Died"}, headers=key)
    [kept] = [r for r in stack.database["idempotency"].find() if (r["answer"] or {}).get("body") == first.text]
    unanswered = {**kept, "answer": None}
    stack.database["idempotency"].replace_one({"_id": kept["_id"]}, unanswered)
    assert problem(stack.http.post("/projects", json={"title": "Died"}, headers=key)) == (409, "request.in_progress")
    long_ago = {**unanswered, "created_at": kept["created_at"] - timedelta(seconds=61)}
    stack.database["idempotency"].replace_one({"_id": kept["_id"]}, long_ago)
    assert stack.http.post("/projects", json={"title": "Died"}, headers=key).status_code == 201

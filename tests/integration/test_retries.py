"""Retries that a person sees, and asks for."""

from app.demo.origin import Origin
from tests.stack import RunningStack


def test_attempts_are_told_one_by_one(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("loop.gif", fail_first=1))
    stack.wait(scene, "ready")
    told = stack.http.get(f"/media/{scene['id']}/attempts").json()
    assert [(a["n"], a["outcome"], a["code"]) for a in told["items"]] == [
        (1, "retrying", "fetch.server_error"),
        (2, "ready", None),
    ]
    assert (told["attempt"], told["max_attempts"], told["next_attempt_at"]) == (2, 5, None)
    assert all(a["started_at"] <= a["ended_at"] for a in told["items"])


def test_all_failed_scenes_of_a_project_are_tried_again_by_code(stack: RunningStack, origin: Origin) -> None:
    lost = stack.store(origin.url("status/404"))
    project = lost["project_id"]
    scenes = [lost, *(stack.add(origin.url(path), project) for path in ("empty", "photo.jpg"))]
    for scene in scenes[1:]:
        stack.request(scene).raise_for_status()
    for scene in scenes:
        stack.wait_ended(scene)

    def retry(**body: list[str]) -> int:
        answer = stack.http.post(f"/projects/{project}/media/retry", json=body).raise_for_status()
        assert answer.status_code == 202
        queued: int = answer.json()["queued"]
        return queued

    assert retry(codes=["content.empty"]) == 1
    stack.wait_ended(scenes[1])
    assert retry(codes=["fetch.timeout"]) == 0
    assert retry() == 2
    assert [stack.wait_ended(scene)["generation"] for scene in scenes] == [2, 3, 1]
    assert stack.http.post(f"/projects/{project}/media/retry").json() == {"queued": 2}

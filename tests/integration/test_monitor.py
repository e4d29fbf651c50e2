"""What an operator is shown of a service at work."""

from typing import Any

import httpx2

from app.demo.origin import Origin
from tests.servers import wait_for
from tests.stack import RunningStack


def media_worker_listens(stack: RunningStack) -> bool:
    return any(name.startswith("media@") for name in stack.http.get("/monitor").json()["workers"] or ())


def test_monitor_health_and_metrics_tell_what_is_going_on(stack: RunningStack) -> None:
    wait_for(lambda: media_worker_listens(stack), 5, "the worker is seen")
    monitor = stack.http.get("/monitor").json()
    assert monitor["waiting"] == sum(monitor["scenes"].get(state, 0) for state in ("queued", "retrying"))
    with httpx2.Client(base_url=stack.url) as root:
        assert root.get("/health/live").json() == {"status": "ok"}
        assert root.get("/health/ready").json() == {"status": "ok"}
        metrics = root.get("/metrics").text
        page = root.get("/").text
    assert 'takeup_http_requests_total{method="GET",route="/api/v1/monitor",status="200"}' in metrics
    assert "<title>Takeup</title>" in page


def test_the_monitor_shows_who_is_at_what_and_what_was_stored(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=100_000))

    def work() -> Any:
        return [item for item in stack.http.get("/monitor").json()["work"] if item["scene_id"] == scene["id"]]

    [item] = wait_for(lambda: [one for one in work() if one["progress"]["percent"]], 20, "a worker is at it")
    assert item["project_id"] == scene["project_id"]
    assert item["source_url"] == scene["media"]["source_url"]
    assert any(
        name == f"media@{item['worker'].partition('/')[0]}" for name in stack.http.get("/monitor").json()["workers"]
    )
    stack.wait(scene, "ready")
    assert work() == []
    throughput = stack.http.get("/monitor").json()["throughput"]
    assert len(throughput["stored"]) * throughput["slot_s"] == 300
    assert sum(throughput["stored"][-6:]) > 0


def test_the_monitor_notices_a_worker_that_falls_silent_and_comes_back(stack: RunningStack) -> None:
    wait_for(lambda: media_worker_listens(stack), 5, "the worker is seen")
    with stack.frozen("worker"):
        wait_for(lambda: not media_worker_listens(stack), 15, "its silence is noticed")
    wait_for(lambda: media_worker_listens(stack), 15, "its return is noticed")

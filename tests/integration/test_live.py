"""Open event streams while Redis is away, and while the API stops."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import httpx2
import psutil

from app.demo.origin import Origin
from tests.faults.ports import killed_and_kept_down
from tests.servers import wait_for
from tests.stack import RunningStack

FOUND_SECONDS = 2.5
TOLD_SECONDS = 1.0
STOP_SECONDS = 2.0


def events_of(answer: httpx2.Response) -> Iterator[tuple[str, Any]]:
    for event in httpx2.EventSource(answer):
        yield event.event, event.json()


def test_changes_arrive_while_redis_is_away_and_quickly_again_when_it_is_back(stack: RunningStack) -> None:
    scene = stack.add()
    with stack.http.stream("GET", f"/projects/{scene['project_id']}/events") as answer:
        events = events_of(answer)
        assert next(events)[0] == "snapshot"

        def seconds_until_shown(text: str) -> float:
            began = time.monotonic()
            stack.http.patch(f"/scenes/{scene['id']}", json={"text": text}).raise_for_status()
            while next(events)[1]["text"] != text:
                pass
            return time.monotonic() - began

        with killed_and_kept_down(stack, "redis"):
            assert [text for text in "abc" if seconds_until_shown(text) > FOUND_SECONDS] == []
        for number in range(20):
            quick = seconds_until_shown(f"again {number}") < 0.5
            if quick and number:
                break
        assert quick


def test_what_a_worker_does_is_told_within_a_moment(stack: RunningStack, origin: Origin) -> None:
    scene = stack.add(origin.url("clip.mp4", rate=1_000_000))
    late = []
    with stack.http.stream("GET", f"/projects/{scene['project_id']}/events") as answer:
        events = events_of(answer)
        assert next(events)[0] == "snapshot"
        stack.request(scene).raise_for_status()
        for _, shown in events:
            late.append((datetime.now(UTC) - datetime.fromisoformat(shown["updated_at"])).total_seconds())
            if shown["media"]["status"] == "ready":
                break
    assert len(late) > 3
    assert max(late) < TOLD_SECONDS, late


def test_the_api_stops_at_once_with_streams_open_and_ends_them_cleanly(stack: RunningStack) -> None:
    scene = stack.add()
    path = f"/projects/{scene['project_id']}/events"
    api = psutil.Process(stack.pid("api"))
    with ExitStack() as opened:
        streams = [events_of(opened.enter_context(stack.http.stream("GET", path))) for _ in range(20)]
        assert {next(stream)[0] for stream in streams} == {"snapshot"}
        began = time.monotonic()
        api.send_signal(signal.SIGTERM)
        wait_for(lambda: not api.is_running() or api.status() == psutil.STATUS_ZOMBIE, 10, "the API has stopped")
        assert time.monotonic() - began < STOP_SECONDS
        assert [list(stream) for stream in streams] == [[]] * 20
    wait_for(lambda: answers(stack, path), 30, "the API is back")


def answers(stack: RunningStack, path: str) -> bool:
    try:
        with stack.http.stream("GET", path) as answer:
            return next(events_of(answer))[0] == "snapshot"
    except httpx2.HTTPError:
        return False


def test_a_stream_is_neither_kept_nor_held_back_on_its_way(stack: RunningStack) -> None:
    scene = stack.add()
    with stack.http.stream("GET", f"/projects/{scene['project_id']}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert next(iter(httpx2.EventSource(answer))).retry == 1000

"""Messages that are repeated or lost, and a broker that is down, frozen or restarted."""

import time
from functools import partial

import psutil
import pytest
from redis import Redis

from app.demo.origin import Origin
from tests.faults.conftest import Begin
from tests.faults.ports import killed_and_kept_down
from tests.servers import wait_for
from tests.stack import RunningStack

SLOW = 500_000
SCENES = 4
ANSWER_SECONDS = 1.0
FROZEN_ANSWER_SECONDS = 5.0
CONSUMPTION_SECONDS = 60.0


@pytest.mark.experiment(6, "the same message delivered many times", quick=20, long=20, unit="messages")
def test_the_same_message_many_times_is_one_claim(stack: RunningStack, origin: Origin, begin: Begin) -> None:
    """Experiment 6."""
    run = begin(stack)
    before = origin.requests.get("clip.mp4", 0)
    with stack.frozen("worker"):  # so that its children take the first messages at the same moment
        scenes = [run.store(rate=SLOW, copy=n) for n in range(SCENES)]
        for _ in range(run.rounds):
            for scene in scenes:
                stack.ring(scene)
        run.struck()
    run.wait_ended(180)
    run.assert_holds()
    assert {(media["attempt"], len(media["attempts"])) for media in map(stack.media, scenes)} == {(1, 1)}
    assert origin.requests["clip.mp4"] - before == SCENES


@pytest.mark.experiment(7, "Redis FLUSHALL with scenes queued", quick=10, long=100, unit="queued")
def test_a_flushed_broker_only_delays(stack: RunningStack, begin: Begin) -> None:
    """Experiment 7."""
    run = begin(stack)
    with Redis.from_url(stack.settings.redis_url) as client, stack.frozen("worker"):
        for n in range(run.rounds):
            run.store("photo.jpg", copy=n)
        wait_for(lambda: client.llen("takeup:media") >= run.rounds - 1, 20, "the messages are in the broker")
        client.flushall()
        run.struck()
    run.assert_holds()


@pytest.mark.experiment(8, "Redis down", quick=4, long=300, unit="seconds")
def test_with_the_broker_down_requests_are_answered_and_served_later(stack: RunningStack, begin: Begin) -> None:
    """Experiment 8."""
    run = begin(stack)
    scenes = [stack.add(run.origin.url("photo.jpg", copy=n)) for n in range(min(run.rounds, 60))]
    pause = run.rounds / len(scenes)
    answers = []

    def is_due(number: int) -> bool:
        return time.monotonic() - began >= number * pause

    with killed_and_kept_down(stack, "redis"):
        run.struck()
        began = time.monotonic()
        for number, scene in enumerate(scenes, 1):
            answers.append(run.request(scene))
            wait_for(partial(is_due, number), 60, "the next request is due")
    run.assert_holds()
    assert max(answers) < ANSWER_SECONDS, answers


@pytest.mark.experiment(9, "Redis frozen", quick=20, long=200, unit="requests")
def test_with_the_broker_frozen_requests_are_answered_and_leave_no_thread(stack: RunningStack, begin: Begin) -> None:
    """Experiment 9."""
    run = begin(stack)
    scenes = [stack.add(run.origin.url("photo.jpg", copy=n)) for n in range(run.rounds)]
    api = psutil.Process(stack.pid("api"))
    run.request(scenes[0])
    threads = api.num_threads()
    with stack.frozen("redis"):
        run.struck()
        answers = [run.request(scene) for scene in scenes[1:]]
        assert api.num_threads() <= threads + 1
    run.assert_holds()
    assert max(answers) < FROZEN_ANSWER_SECONDS, answers


@pytest.mark.experiment(10, "Redis killed and restarted under load", quick=2, long=10, unit="kills")
def test_after_each_restart_of_the_broker_messages_are_consumed_again(stack: RunningStack, begin: Begin) -> None:
    """Experiment 10."""
    run = begin(stack)
    for _ in range(run.rounds):
        running = run.store(rate=SLOW)
        for _ in range(4):
            run.store("photo.jpg")
        stack.wait_bytes(running)
        stack.kill("redis")
        after = run.store("photo.jpg")
        run.struck([after])
        assert stack.wait_ended(after, seconds=CONSUMPTION_SECONDS)["status"] == "ready"
        assert stack.wait_ended(running)["attempt"] == 1
    run.assert_holds(rescue_seconds=CONSUMPTION_SECONDS)

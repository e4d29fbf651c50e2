"""A bucket that fails, forgets, or whose last answer never comes."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import Any

import pytest

from app.core.database import Document
from tests.faults.conftest import Begin
from tests.faults.s3_front import S3Front, S3Request
from tests.faults.sources import LARGE
from tests.faults.test_strict_bucket import ELSEWHERE
from tests.faults.test_workers import holder
from tests.servers import embedded_servers, wait_for
from tests.stack import RunningStack, running_stack

SLOW = 3_000_000
PARTS = 3
REFUSALS = (500, 503, 429)
TEN = [True] * 3 + [False] * 7
"""Which of ten parts are refused: dealt like cards, so that chance has the order and not the number."""


class FaultyS3(S3Front):
    """Refuses three parts in ten while it is `refusing`; calls `on_complete` when an upload has become an object."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.refusing = False
        self._dealt: list[bool] = []
        self._lock = Lock()
        self.refused: Counter[int] = Counter()
        self.sizes: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self.on_complete: Callable[[], None] | None = None

    def refusal(self, request: S3Request) -> tuple[int, str] | None:
        if not (request.sends_part and self.refusing and self._deal()):
            return None
        status = random.choice(REFUSALS)
        self.refused[status] += 1
        return status, "<Error><Code>SlowDown</Code></Error>"

    def _deal(self) -> bool:
        with self._lock:
            self._dealt = self._dealt or random.sample(TEN, len(TEN))
            return self._dealt.pop()

    def answered(self, request: S3Request, status: int) -> None:
        if request.sends_part and status == 200:
            self.sizes[request.query["uploadId"]][int(request.query["partNumber"])] = len(request.body)
        if request.completes_upload and status == 200 and self.on_complete:
            act, self.on_complete = self.on_complete, None
            act()


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FaultyS3, RunningStack]]:
    folder = tmp_path_factory.mktemp("faulty")
    with embedded_servers(folder / "s3", ELSEWHERE) as environment:
        bucket = {name: value for name, value in environment.items() if name.startswith("S3_")}
        with (
            FaultyS3(bucket["S3_ENDPOINT_URL"]) as front,
            running_stack(folder / "data", **{**bucket, "S3_ENDPOINT_URL": front.url}) as stack,
        ):
            yield front, stack


@pytest.mark.experiment(
    16, "killed between the object's completion and the scene's write", quick=1, long=10, unit="kills"
)
def test_object_that_was_completed_by_the_dead_is_adopted(faulty: tuple[FaultyS3, RunningStack], begin: Begin) -> None:
    """Experiment 16."""
    front, stack = faulty
    run = begin(stack)
    for number in range(run.rounds):
        scenes: list[Document] = []

        def kill(scenes: list[Document] = scenes) -> None:
            wait_for(lambda: scenes, 5, "the scene is known")
            holder(stack, scenes[0]).kill()

        front.on_complete = kill
        scenes.append(run.store(LARGE, rate=SLOW, copy=number))
        wait_for(lambda: front.on_complete is None, 60, "the object is there")
        run.struck(scenes)
        media = stack.wait_ended(scenes[0])
        assert [attempt["outcome"] for attempt in media["attempts"]] == ["crashed", "ready"]
    figures = run.assert_holds()
    assert figures.ready == figures.accepted


@pytest.mark.experiment(17, "the bucket refuses three parts in ten", quick=4, long=40, unit="files")
def test_bucket_that_refuses_parts_at_random_gets_all_of_them(
    faulty: tuple[FaultyS3, RunningStack], begin: Begin
) -> None:
    """Experiment 17."""
    front, stack = faulty
    run = begin(stack)
    front.refusing = True
    front.sizes.clear()
    front.refused.clear()
    try:
        scenes = [run.store(LARGE, copy=number) for number in range(run.rounds)]
        run.faults = 0
        figures = run.assert_holds(end_seconds=400)
    finally:
        front.refusing = False
    run.faults = front.refused.total()
    assert figures.ready == figures.accepted
    assert front.refused.total() > run.rounds / 2
    assert {len(stack.media(scene)["attempts"]) for scene in scenes} == {1}
    assert all(sizes[1] == sizes[2] > sizes[3] for sizes in front.sizes.values())
    assert [len(sizes) for sizes in front.sizes.values()] == [PARTS] * run.rounds


@pytest.mark.experiment(18, "the multipart upload is aborted behind our back", quick=1, long=10, unit="aborts")
def test_upload_that_somebody_aborted_is_begun_anew(faulty: tuple[FaultyS3, RunningStack], begin: Begin) -> None:
    """Experiment 18."""
    _, stack = faulty
    run = begin(stack)
    for number in range(run.rounds):
        scene = run.store(LARGE, rate=SLOW, copy=number)
        upload = wait_for(partial(_upload, stack, scene), 30, "an upload")
        stack.bucket.abort_upload(upload["key"], upload["upload_id"])
        run.struck()
        media = stack.wait_ended(scene)
        assert [attempt["outcome"] for attempt in media["attempts"]] == ["retrying", "ready"]
    figures = run.assert_holds()
    assert figures.ready == figures.accepted


def _upload(stack: RunningStack, scene: Document) -> Any:
    return (stack.document(scene) or {})["media"]["upload"]

"""Open pages whose connection drops, whose API is killed, and whose Redis is away."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from app.core.database import Document
from app.core.redis import Announcer
from app.crud.crud_scene import edit
from tests.faults.conftest import Begin
from tests.faults.ports import killed_and_kept_down
from tests.faults.watchers import watching
from tests.servers import wait_for
from tests.stack import RunningStack

SHOWN_SECONDS = 2.0
BACK_SECONDS = 60.0
_PAUSE_SECONDS = 0.1


@contextmanager
def written_all_the_time(stack: RunningStack, scenes: list[Document]) -> Iterator[dict[str, int]]:
    """Change one scene after the other, as workers do; the last version of each that the database has acknowledged."""
    versions = {scene["id"]: scene["version"] for scene in scenes}
    done = Event()
    announcer = Announcer(stack.settings.redis_url)

    def write() -> None:
        while not done.is_set():
            for scene in scenes:
                fields = edit({"text": f"at {time.time()}"})
                stack.database["scenes"].update_one({"_id": scene["id"]}, fields)
                announcer.changed(scene["project_id"], scene["id"])
                versions[scene["id"]] += 1
                done.wait(_PAUSE_SECONDS)

    writer = Thread(target=write, daemon=True)
    writer.start()
    try:
        yield versions
    finally:
        done.set()
        writer.join()
        announcer.close()


@pytest.mark.experiment(25, "event streams dropped, API and Redis killed", quick=20, long=500, unit="clients")
def test_each_page_shows_what_stands_soon_after_it_connects_again(stack: RunningStack, begin: Begin) -> None:
    """Experiment 25."""
    run = begin(stack)
    first = stack.add()
    scenes = [first, *(stack.add(project=first["project_id"]) for _ in range(4))]
    path = f"/api/v1/projects/{first['project_id']}/events"
    with written_all_the_time(stack, scenes) as written, watching(stack.url, path, run.rounds, written) as pages:

        def wait_connected(times: int) -> None:
            wait_for(lambda: all(page.connections >= times for page in pages), BACK_SECONDS, f"{times} connections")

        wait_connected(1)
        run.struck()
        for page in pages[::2]:
            page.drop()
        wait_for(lambda: all(page.connections == 2 for page in pages[::2]), BACK_SECONDS, "the dropped are back")
        run.struck()
        before = [page.connections for page in pages]
        with killed_and_kept_down(stack, "redis"):
            stack.kill("api")
            run.struck()
            wait_for(
                lambda: all(page.connections > had for page, had in zip(pages, before, strict=True)),
                BACK_SECONDS,
                "all are back, without Redis",
            )
            now = dict(written)
            wait_for(lambda: all(page.shows(now) for page in pages), SHOWN_SECONDS, "all in step without Redis")
        now = dict(written)
        wait_for(lambda: all(page.shows(now) for page in pages), SHOWN_SECONDS, "all in step again")
        slowest = max(page.slowest for page in pages)
        wrong = [sentence for page in pages for sentence in page.wrong]
    run.assert_holds()
    assert wrong == []
    assert slowest <= SHOWN_SECONDS, f"a page showed what stood when it connected after {slowest:.1f} s"

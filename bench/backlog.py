"""Whether the queue's length costs anything: the same work with 1,000, 10,000 and 100,000 scenes queued.

    python -m bench.backlog [--sizes 1000 10000 100000]

On the embedded servers, with the workers stopped (SIGSTOP): the API is asked to store, a scene is claimed, the
reconciler makes a round that rings for 500, a project of 200 scenes is read, and so is the monitor. Medians in
milliseconds, and the last column over the first.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from app.core.database import Sync, connect_async, server_now_sync
from app.core.security import DEFAULT_WORKSPACE
from app.crud import crud_lease
from app.crud.crud_monitor import count_scenes
from app.models.media import Status, new_run
from app.services.reconcile import reconcile
from tests.stack import RunningStack, running_stack

_PROJECT = 200
_BATCH = 1000
_TIMES = 25


def fill(database: Sync, count: int) -> list[str]:
    """So many more queued scenes, oldest first, in projects of 200; the last project's id, then those of its scenes."""
    now = server_now_sync(database)
    project = ""
    scenes: list[str] = []
    for start in range(0, count, _BATCH):
        documents = []
        for number in range(start, min(start + _BATCH, count)):
            if number % _PROJECT == 0:
                project, scenes = str(uuid4()), []
            scenes.append(str(uuid4()))
            link = f"https://example.com/{number}.mp4"
            run = new_run(link, 1, Status.QUEUED, now=now, wait_seconds=-3600, max_attempts=5)
            documents.append(
                {
                    "_id": scenes[-1],
                    "project_id": project,
                    "workspace": DEFAULT_WORKSPACE,
                    "position": f"a{number:08d}",
                    "text": "",
                    "version": 1,
                    "media": run,
                    "deletion": None,
                    "created_at": now,
                    "updated_at": now,
                }
            )
        database["scenes"].insert_many(documents)
    database["projects"].insert_one(
        {
            "_id": project,
            "workspace": DEFAULT_WORKSPACE,
            "title": "The last",
            "version": 1,
            "deletion": None,
            "created_at": now,
            "updated_at": now,
        }
    )
    return [project, *scenes]


def median_ms(work: Callable[[], object], times: int = _TIMES) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def measure(stack: RunningStack, project: str, scenes: Iterator[str]) -> dict[str, float]:
    """What each piece of work takes, in milliseconds."""
    database, settings, http = stack.database, stack.settings, stack.http
    urls = [f"https://example.com/new/{number}.mp4" for number in range(_TIMES)]
    fresh = http.post(f"/projects/{project}/scenes/batch", json={"urls": urls}).raise_for_status().json()["items"]
    waiting = iter(fresh)

    def store() -> None:
        body = {"project_id": project, "scene_id": next(waiting)["id"]}
        http.post("/media/store", json=body).raise_for_status()

    def claim() -> None:
        if crud_lease.claim(database, next(scenes), 1, "bench", 3600) is None:
            raise AssertionError("nothing to claim")

    def ring(scene_id: str, generation: int) -> None:
        """The broker's part is not measured."""

    def one_round() -> None:
        reconcile(database, settings, ring=ring, ring_first=ring, waiting_messages=0)

    async def count() -> float:
        handle = connect_async(settings)
        async with handle.client:
            await count_scenes(handle, DEFAULT_WORKSPACE)
            began = time.perf_counter()
            await count_scenes(handle, DEFAULT_WORKSPACE)
            return 1000 * (time.perf_counter() - began)

    return {
        "`POST /media/store`": median_ms(store),
        "a claim": median_ms(claim),
        "a round of the reconciler": median_ms(one_round, 9),
        f"a project of {_PROJECT} scenes": median_ms(lambda: http.get(f"/projects/{project}").raise_for_status()),
        "`GET /monitor`": median_ms(lambda: http.get("/monitor").raise_for_status(), 9),
        "counting anew for it (5 % of the time at most)": asyncio.run(count()),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    sizes = arguments.parse_args().sizes
    calm = {"TAKEUP_RECONCILE_SECONDS": "3600", "TAKEUP_PENDING_GRACE_SECONDS": "86400"}
    columns = []
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(Path(folder) / "data", **calm) as stack,
        stack.frozen("worker"),
        stack.frozen("beat"),
    ):
        there = 0
        for size in sizes:
            project, *scenes = fill(stack.database, size - there)
            columns.append(measure(stack, project, iter(scenes)))
            there = size
    print(f"\n| queued | {' | '.join(f'{size:,}' for size in sizes)} | ratio |\n|---{'|---' * len(sizes)}|---|")
    for name in columns[0]:
        cells = " | ".join(f"{column[name]:.1f}" for column in columns)
        print(f"| {name} | {cells} | {columns[-1][name] / columns[0][name]:.2f} |")


if __name__ == "__main__":
    main()

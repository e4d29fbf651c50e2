"""How fast `POST /media/store` answers, against an endpoint that does nothing, in one run.

    python -m bench.enqueue [--requests 2000] [--connections 16]

Both are served by the same API process over HTTP keep-alive; the floor is `GET /health/live`. The worker is stopped
meanwhile (SIGSTOP), so that only the request's own cost is measured.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2

from tests.stack import RunningStack, running_stack

Send = Callable[[int], Awaitable[httpx2.Response]]


async def drive(send: Send, requests: int, connections: int) -> tuple[float, list[float]]:
    """Requests per second, and the milliseconds of each."""
    taken: list[float] = []
    waiting = iter(range(requests))

    async def one_connection() -> None:
        for number in waiting:
            began = time.perf_counter()
            answer = await send(number)
            answer.raise_for_status()
            taken.append(1000 * (time.perf_counter() - began))

    began = time.perf_counter()
    await asyncio.gather(*(one_connection() for _ in range(connections)))
    return requests / (time.perf_counter() - began), taken


def make_scenes(stack: RunningStack, count: int) -> tuple[str, list[str]]:
    project = stack.http.post("/projects", json={"title": "bench"}).json()["id"]
    scenes: list[str] = []
    while len(scenes) < count:
        urls = [f"https://example.com/{number}.mp4" for number in range(min(500, count - len(scenes)))]
        items = stack.http.post(f"/projects/{project}/scenes/batch", json={"urls": urls}).raise_for_status().json()
        scenes += [item["id"] for item in items["items"]]
    return project, scenes


async def measure(stack: RunningStack, requests: int, connections: int) -> None:
    limits = httpx2.Limits(max_connections=connections)
    async with httpx2.AsyncClient(base_url=stack.url, limits=limits, timeout=60) as client:
        print("\n| endpoint | connections | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
        for width in (1, connections):
            project, scenes = make_scenes(stack, requests)

            def store(number: int, project: str = project, scenes: list[str] = scenes) -> Awaitable[httpx2.Response]:
                body = {"project_id": project, "scene_id": scenes[number]}
                return client.post("/api/v1/media/store", json=body)

            floor = await drive(lambda _: client.get("/health/live"), requests, width)
            ours = await drive(store, requests, width)
            for name, (rate, taken) in (("does nothing", floor), ("POST /media/store", ours)):
                p99 = statistics.quantiles(taken, n=100)[98]
                print(f"| {name} | {width} | {rate:.0f} | {statistics.median(taken):.1f} | {p99:.1f} |")
            print(f"| ratio | {width} | {ours[0] / floor[0]:.2f} | | |")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=2000)
    arguments.add_argument("--connections", type=int, default=16)
    options = arguments.parse_args()
    calm = {"TAKEUP_RECONCILE_SECONDS": "600", "TAKEUP_PENDING_GRACE_SECONDS": "3600"}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(Path(folder) / "data", **calm) as stack,
        stack.frozen("worker"),
    ):
        asyncio.run(measure(stack, options.requests, options.connections))


if __name__ == "__main__":
    main()

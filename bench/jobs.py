"""Small files: how soon one is stored, and how many a second, in workers that are warm.

    python -m bench.jobs [--rounds 20] [--files 1000]

*1 MiB*: from ringing for a scene that is queued to its file being in the bucket. Nobody polls: Redis tells of each
change, and the scene is read then. The peer is a whole `rclone copyurl`. Behind a page, a film of that size is found by
yt-dlp first.
*64 KiB*: a Celery worker of two processes takes in scenes that are queued, without the probe; the same worker runs
bare tasks, which do a GET, boto3's `put_object` and two updates. Messages are sent first, then counted until done.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from redis import Redis

from app.core.database import Sync, server_now_sync
from app.demo.origin import Origin
from app.demo.samples import make_samples
from app.models.media import Status, milliseconds
from bench.fetch import sized
from bench.peers import RCLONE, rclone_remote, run
from bench.takeup import AT_REST
from tests.contract.conftest import Place, insert_scene
from tests.stack import RunningStack, running_stack

_QUEUE = "bench"
_WAIT_SECONDS = 300


def ring_to_stored(stack: RunningStack, link: str) -> float:
    """Seconds until the scene's file is in the bucket."""
    place = Place(str(uuid4()), str(uuid4()))
    insert_scene(stack.database, Status.QUEUED, place, source_url=link)
    with Redis.from_url(stack.settings.redis_url) as redis, redis.pubsub(ignore_subscribe_messages=True) as hearing:
        hearing.subscribe(f"takeup:changed:{place.project_id}")
        hearing.get_message(timeout=1)
        began = time.perf_counter()
        stack.celery.send_task("app.tasks.media_tasks.download_media_task", (place.scene_id, 1))
        stored = None
        while (status := _status(stack.database, place)) != "ready":
            stored = stored or (time.perf_counter() if status == "processing" else None)
            if status in {"failed", "retrying"}:
                raise SystemExit(f"it is {status}")
            hearing.get_message(timeout=5)
    return (stored or time.perf_counter()) - began


def _status(database: Sync, place: Place) -> str:
    scene = database["scenes"].find_one({"_id": place.scene_id})
    return str(scene["media"]["status"]) if scene else ""


@contextmanager
def worker(stack: RunningStack) -> Iterator[None]:
    """The worker of `bench.jobs_worker`, against the stack's servers."""
    command = [sys.executable, "-m", "celery", "-A", "bench.jobs_worker", "--quiet", "worker", "-c", "2", "-Q", _QUEUE]
    environment = {**os.environ, **stack.environment}
    process = subprocess.Popen(
        [*command, "-E", "-n", "bench@%h"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def jobs_a_second(stack: RunningStack, link: str, task: str, files: int) -> float:
    """Files stored per second, from the first message to the last file."""
    places = [Place(str(uuid4()), str(uuid4())) for _ in range(files)]
    later = milliseconds(server_now_sync(stack.database), _WAIT_SECONDS)  # the reconciler leaves them to this worker
    for place in places:
        insert_scene(stack.database, Status.QUEUED, place, source_url=link, due_ms=later)
    began = time.perf_counter()
    for place in places:
        stack.celery.send_task(f"bench.{task}", (place.scene_id, 1), queue=_QUEUE)
    for place in places:  # one after the other: a count would have the database read every scene
        while _status(stack.database, place) != "ready":
            if time.perf_counter() - began > _WAIT_SECONDS:
                raise SystemExit(f"{task}: not all files are stored")
            time.sleep(0.05)
    return files / (time.perf_counter() - began)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--files", type=int, default=1000)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_samples(folder / "samples")
        with Origin(folder / "samples") as origin, running_stack(folder / "data", **AT_REST) as stack:
            link = origin.url(sized(folder / "samples", 1))
            measure_one(stack, link, origin.url("watch.html"), options.rounds)
            (folder / "samples" / "small.jpg").write_bytes(_small(folder / "samples" / "photo.jpg"))
            measure_many(stack, origin.url("small.jpg"), options.files)


def _small(photo: Path) -> bytes:
    return photo.read_bytes()[:65536].ljust(65536, b"\0")


def measure_one(stack: RunningStack, link: str, page: str, rounds: int) -> None:
    settings = stack.settings
    secret = settings.s3_secret_access_key.get_secret_value()
    remote = rclone_remote(settings.s3_endpoint_url, settings.s3_access_key_id, secret)
    copy = [RCLONE, "copyurl", link, f"bench:{settings.s3_bucket}/bench/peer.jpg"]
    ways: dict[str, Callable[[], float]] = {
        "takeup": partial(ring_to_stored, stack, link),
        "takeup, behind a page": partial(ring_to_stored, stack, page),
        "rclone copyurl": lambda: run(copy, environment=remote).wall,
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds + 2):
        for way, once in ways.items():
            seconds[way].append(once())
    print("\n| 1 MiB, from the bell | ms | spread |\n|---|---|---|")
    for way, taken in seconds.items():
        warm = [1000 * value for value in taken[2:]]
        print(f"| {way} | {statistics.median(warm):.0f} | {min(warm):.0f} - {max(warm):.0f} |")


def measure_many(stack: RunningStack, link: str, files: int) -> None:
    print("\n| 64 KiB | files/s |\n|---|---|")
    with worker(stack):
        for task in ("take_in", "bare"):
            jobs_a_second(stack, link, task, 50)
        rates: dict[str, list[float]] = {"take_in": [], "bare": []}
        for _ in range(3):
            for task, taken in rates.items():
                taken.append(jobs_a_second(stack, link, task, files))
    for task, taken in rates.items():
        print(f"| {task} | {statistics.median(taken):.0f} |")


if __name__ == "__main__":
    main()

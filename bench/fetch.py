"""One direct file from a local origin into the embedded S3, in parts, against what a person would use instead.

    python -m bench.fetch [--mib 1 64 1024] [--rounds 5]

Three origins: a fast one, one that limits each connection to 50 MB/s, and one that takes 50 ms for each answer. The
peers are whole processes; Takeup is a service, so it is timed from the request to the file being in the bucket (bell,
claim, fetch and store are in it, the probe is not), and its CPU seconds are those of its download processes.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from app.demo.origin import Origin
from app.demo.samples import make_samples
from bench.peers import RCLONE, Cost, rclone_remote, run
from bench.takeup import AT_REST, pad_clip, peak_mib, takeup
from tests.stack import RunningStack, running_stack

ORIGINS: dict[str, dict[str, int]] = {
    "fast": {},
    "50 MB/s per connection": {"rate": 50_000_000},
    "50 ms per answer": {"delay_ms": 50},
}
TUNED = """
import sys, boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
endpoint, key, secret, bucket, path = sys.argv[1:]
config = Config(request_checksum_calculation="when_required", s3={"payload_signing_enabled": False})
client = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
                      region_name="auto", config=config)
parts = TransferConfig(multipart_chunksize=16 << 20, multipart_threshold=16 << 20, max_concurrency=4)
client.upload_file(path, bucket, "bench/peer.mp4", Config=parts)
"""


def run_takeup(stack: RunningStack, origin: Origin, name: str, **faults: int) -> Cost:
    def cpu() -> float:
        return sum(sum(child.cpu_times()[:2]) for child in stack.pool_children())

    before = cpu()
    wall = takeup(stack, origin, name, **faults)
    return Cost(wall, cpu() - before, peak_mib(stack))


def peers(stack: RunningStack, folder: Path, name: str, link: str) -> dict[str, Callable[[], Cost]]:
    settings = stack.settings
    secret = settings.s3_secret_access_key.get_secret_value()
    place = [settings.s3_endpoint_url, settings.s3_access_key_id, secret, settings.s3_bucket]

    def upload(path: Path) -> list[str]:
        return [sys.executable, "-c", TUNED, *place, str(path)]

    copy, target = folder / "samples" / name, folder / "downloaded.mp4"
    extract = [
        sys.executable,
        "-m",
        "yt_dlp",
        "--quiet",
        "--no-progress",
        "--force-overwrites",
        "-o",
        str(target),
        link,
    ]
    ways: dict[str, Callable[[], Cost]] = {
        "limit: curl to nowhere": lambda: run(["curl", "--silent", "--fail", "--output", "/dev/null", link]),
        "limit: tuned upload_file of a local copy": lambda: run(upload(copy)),
        "yt-dlp, then tuned upload_file": lambda: run(extract, upload(target)),
    }
    remote = rclone_remote(settings.s3_endpoint_url, settings.s3_access_key_id, secret)
    aim = f"bench:{settings.s3_bucket}/bench/peer.mp4"
    piped = f"curl --silent --fail '{link}' | {RCLONE} rcat {aim}"
    ways["rclone copyurl"] = lambda: run([RCLONE, "copyurl", link, aim], environment=remote)
    ways["curl | rclone rcat"] = lambda: run(["sh", "-c", piped], environment=remote)
    return ways


def sized(folder: Path, mib: int) -> str:
    """Real media of that size: a film with a box to skip, or a picture with bytes behind its end."""
    if mib > 1:
        return pad_clip(folder, mib)
    photo = (folder / "photo.jpg").read_bytes()
    (folder / f"padded-{mib}.jpg").write_bytes(photo + os.urandom((mib << 20) - len(photo)))
    return f"padded-{mib}.jpg"


def measure(folder: Path, mib: int, rounds: int) -> None:
    name = sized(folder / "samples", mib)
    for title, faults in ORIGINS.items():
        costs = measure_ways(folder, name, faults, rounds)
        ours = statistics.median(cost.wall for cost in costs["takeup"])
        print(f"\n{mib} MiB, origin: {title}; median of {rounds}, {psutil.cpu_count()} cores\n")
        print("| way | seconds | spread | takeup / this | CPU seconds | peak MiB |\n|---|---|---|---|---|---|")
        for way, taken in costs.items():
            walls = [cost.wall for cost in taken]
            middle, cpu = statistics.median(walls), statistics.median(cost.cpu for cost in taken)
            spread = f"{min(walls):.2f} - {max(walls):.2f}"
            peak = max(cost.peak_mib for cost in taken)
            print(f"| {way} | {middle:.2f} | {spread} | {ours / middle:.2f} | {cpu:.2f} | {peak:.0f} |")
    (folder / "samples" / name).unlink()


def measure_ways(folder: Path, name: str, faults: dict[str, int], rounds: int) -> dict[str, list[Cost]]:
    """What each way costs in each round. The stack is new: a bucket keeps what was deleted on its disk for a while."""
    with (
        tempfile.TemporaryDirectory() as data,
        Origin(folder / "samples") as origin,
        running_stack(Path(data), **AT_REST) as stack,
    ):
        takeup(stack, origin, "clip.mp4")
        ways: dict[str, Callable[[], Cost]] = {
            "takeup": partial(run_takeup, stack, origin, name, **faults),
            **peers(stack, folder, name, origin.url(name, **faults)),
        }
        costs: dict[str, list[Cost]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, once in ways.items():
                costs[way].append(once())
        return costs


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mib", type=int, nargs="+", default=[1, 64, 1024])
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_samples(folder / "samples")
        for mib in options.mib:
            measure(folder, mib, options.rounds)


if __name__ == "__main__":
    main()

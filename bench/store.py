"""One large file from a local origin into the embedded S3, against what a person would use instead, in one run.

    python -m bench.store [--mib 256] [--rounds 5] [--large-mib 2048]

The peers are timed twice: as the commands that a person would run (whole processes, boto3 with its defaults), and
warm, inside one process that has imported and connected before, with the client that Takeup itself uses. Takeup is a
service, so it is timed from the request to the file being in the bucket: the bell, claim, resolve, fetch and store are
in it, the probe is not. All read from the same origin and write to the same bucket.
"""

import argparse
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from yt_dlp import YoutubeDL

from app.core.config import Settings
from app.demo.origin import Origin
from app.demo.samples import make_samples
from app.services.storage.bucket import Bucket
from tests.stack import RunningStack, running_stack

AT_REST = {"TAKEUP_MAX_BYTES": str(4 << 30), "TAKEUP_LEASE_SECONDS": "30", "TAKEUP_RECONCILE_SECONDS": "10"}
"""Production's times, which leave the machine to the download; and room for the largest file."""
MIB = 1 << 20


def pad_clip(folder: Path, mib: int) -> str:
    """A playable MP4 of that size: a real clip, and behind it one `free` box of random bytes (ISO/IEC 14496-12)."""
    name = f"padded-{mib}.mp4"
    clip = (folder / "clip.mp4").read_bytes()
    room = mib * MIB - len(clip)
    with (folder / name).open("wb") as file:
        file.write(clip + struct.pack(">I4sQ", 1, b"free", room))
        block = os.urandom(MIB)
        left = room - 16
        while left > 0:
            file.write(block[: min(left, MIB)])
            left -= MIB
    return name


def takeup(stack: RunningStack, origin: Origin, name: str, **faults: int) -> float:
    """Seconds from the request to the file being in the bucket."""
    scene = stack.add(origin.url(name, **faults))
    began = time.perf_counter()
    stack.request(scene).raise_for_status()
    while True:
        media = (stack.document(scene) or {})["media"]
        if media["status"] in {"processing", "ready"}:
            seconds = time.perf_counter() - began
            break
        if media["status"] == "failed":
            raise SystemExit(f"it failed: {media['error']}")
        time.sleep(0.02)
    stack.wait(scene, "ready")
    stack.http.delete(f"/scenes/{scene['id']}").raise_for_status()
    return seconds


def extract_then_upload(bucket: Bucket, origin: Origin, name: str, folder: Path) -> float:
    """yt-dlp to disk, then boto3's `upload_file`, warm."""
    target = folder / "downloaded.mp4"
    target.unlink(missing_ok=True)
    began = time.perf_counter()
    with YoutubeDL({"quiet": True, "noprogress": True, "outtmpl": str(target)}) as downloader:
        downloader.download([origin.url(name)])
    bucket.client.upload_file(str(target), bucket.name, "bench/peer.mp4")
    return time.perf_counter() - began


def upload_copy(bucket: Bucket, copy: Path) -> float:
    """boto3's `upload_file` of a file that is here already, warm."""
    began = time.perf_counter()
    bucket.client.upload_file(str(copy), bucket.name, "bench/peer.mp4")
    return time.perf_counter() - began


UPLOAD = """
import sys, boto3
endpoint, key, secret, bucket, path = sys.argv[1:]
client = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
                      region_name="auto")
client.upload_file(path, bucket, "bench/peer.mp4")
"""


def upload_command(settings: Settings, path: Path) -> list[str]:
    secret = settings.s3_secret_access_key.get_secret_value()
    arguments = [settings.s3_endpoint_url, settings.s3_access_key_id, secret, settings.s3_bucket, str(path)]
    return [sys.executable, "-c", UPLOAD, *arguments]


def run_commands(*commands: list[str]) -> float:
    """Seconds that these take one after the other, as whole processes."""
    began = time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def extract_then_upload_commands(stack: RunningStack, origin: Origin, name: str, folder: Path) -> float:
    target = folder / "downloaded.mp4"
    target.unlink(missing_ok=True)
    extract = [sys.executable, "-m", "yt_dlp", "--quiet", "--no-progress", "-o", str(target), origin.url(name)]
    return run_commands(extract, upload_command(stack.settings, target))


def peak_mib(stack: RunningStack) -> float:
    """The most memory that any download process held so far."""
    peaks = []
    for child in stack.pool_children():
        status = Path(f"/proc/{child.pid}/status").read_text()
        [line] = [text for text in status.splitlines() if text.startswith("VmHWM")]
        peaks.append(int(line.split()[1]) / 1024)
    return max(peaks)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mib", type=int, default=256)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--large-mib", type=int, default=2048)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_samples(folder / "samples")
        with Origin(folder / "samples") as origin, running_stack(folder / "data", **AT_REST) as stack:
            measure(stack, origin, folder, options)


def measure(stack: RunningStack, origin: Origin, folder: Path, options: argparse.Namespace) -> None:
    name, large = (pad_clip(folder / "samples", mib) for mib in (options.mib, options.large_mib))
    copy = folder / "samples" / name
    ways: dict[str, Callable[[], float]] = {
        "takeup": lambda: takeup(stack, origin, name),
        "commands: yt-dlp, then upload_file": lambda: extract_then_upload_commands(stack, origin, name, folder),
        "command: upload_file of a local copy": lambda: run_commands(upload_command(stack.settings, copy)),
        "warm: yt-dlp, then upload_file": lambda: extract_then_upload(stack.bucket, origin, name, folder),
        "warm: upload_file of a local copy": lambda: upload_copy(stack.bucket, copy),
    }
    takeup(stack, origin, "clip.mp4")
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, run in ways.items():
            seconds[way].append(run())
    ours = statistics.median(seconds["takeup"])
    print(f"\n{options.mib} MiB, median of {options.rounds}, {psutil.cpu_count()} cores\n")
    print("| way | seconds | spread | takeup / this |\n|---|---|---|---|")
    for way, taken in seconds.items():
        middle = statistics.median(taken)
        print(f"| {way} | {middle:.2f} | {min(taken):.2f} - {max(taken):.2f} | {ours / middle:.2f} |")
    print("\n| file | peak MiB of a worker process |\n|---|---|")
    print(f"| {options.mib} MiB | {peak_mib(stack):.0f} |")
    takeup(stack, origin, large)
    print(f"| {options.large_mib} MiB | {peak_mib(stack):.0f} |")


if __name__ == "__main__":
    main()

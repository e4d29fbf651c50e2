"""Takeup as the benches run it: a stack at rest, one large film, and how long that takes to be in the bucket."""

import os
import struct
import time
from pathlib import Path

from app.demo.origin import Origin
from tests.stack import RunningStack

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


def peak_mib(stack: RunningStack) -> float:
    """The most memory that any download process held so far."""
    peaks = []
    for child in stack.pool_children():
        status = Path(f"/proc/{child.pid}/status").read_text()
        [line] = [text for text in status.splitlines() if text.startswith("VmHWM")]
        peaks.append(int(line.split()[1]) / 1024)
    return max(peaks)

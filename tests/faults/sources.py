"""What the experiments fetch: the samples, and a film large enough to be stored in parts."""

import random
from pathlib import Path
from shutil import copytree

from app.demo.samples import Samples

LARGE = "large.mp4"
LARGE_BYTES = 20 << 20
EXTRACTED = "hls/master.m3u8"
"""Goes through yt-dlp, so its bytes are made on the way and no source has them."""


def make_sources(samples: Samples, folder: Path) -> Path:
    """A folder for an origin, with the samples and `large.mp4`."""
    copytree(samples.folder, folder)
    (folder / LARGE).write_bytes(film(folder, LARGE_BYTES, LARGE))
    return folder


def film(folder: Path, size: int, seed: str) -> bytes:
    """A playable film of that many bytes, made of the folder's clip and noise that depends on the seed."""
    clip = (folder / "clip.mp4").read_bytes()
    filler = size - len(clip)
    # ISO/IEC 14496-12, 8.1.2: a `free` box holds what a reader must skip.
    return clip + filler.to_bytes(4) + b"free" + random.Random(seed).randbytes(filler - 8)

"""What the experiments fetch: the samples, and a film large enough to be stored in parts."""

import random
from pathlib import Path
from shutil import copytree

from app.demo.samples import Samples

LARGE = "large.mp4"
LARGE_BYTES = 20 << 20
_PIECE = 1 << 20  # `randbytes` gives less than 256 MiB at once
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
    noise = random.Random(seed)
    pieces = (noise.randbytes(min(_PIECE, filler - 8 - at)) for at in range(0, filler - 8, _PIECE))
    return b"".join((clip, filler.to_bytes(4), b"free", *pieces))

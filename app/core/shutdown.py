"""Whether this worker has been told to stop: known to the processes that it forked, at no cost."""

import struct
import time
from mmap import mmap

_STOPPED_AT = mmap(-1, 8)  # shared with every child forked after this module was imported


def ask_to_stop() -> None:
    """Note, once, that the worker is to stop."""
    if stopping_for() is None:
        struct.pack_into("d", _STOPPED_AT, 0, time.monotonic())


def stopping_for() -> float | None:
    """Seconds since the worker was told to stop; None while it is not."""
    (stopped_at,) = struct.unpack_from("d", _STOPPED_AT)
    return time.monotonic() - stopped_at if stopped_at else None

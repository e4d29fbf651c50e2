"""What every process of Takeup owes its parent: not to outlive it."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(expected_parent: int | None = None) -> None:
    """Have the kernel kill this process as soon as the thread that made it is gone (Linux; elsewhere nothing).

    With `expected_parent` a parent that died before this call is noticed too.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if expected_parent is not None and os.getppid() != expected_parent:
        os.kill(os.getpid(), signal.SIGKILL)

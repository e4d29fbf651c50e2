"""What a process owes the one that started it: not to outlive it, and to take and reach no more than it must."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_CLONE_NEWNET = 0x40000000
_M_ARENA_MAX = -8  # malloc.h of glibc; others do without
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


def share_one_heap() -> None:
    """Have all threads of this process allocate from one heap, where the C library is glibc; only before they begin.

    Otherwise each job's threads leave what they freed in heaps of their own, which grow by a MiB a job.
    """
    if _LIBC is not None and hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_M_ARENA_MAX, 1)


def leave_network() -> bool:
    """Move this process into a network namespace that holds no network; False where the kernel does not let it.

    Root may do so alone, others in a user namespace of their own (user_namespaces(7)), for which the process must have
    one thread only. Call it before `die_with_parent`, which a change of rights undoes (prctl(2)).
    """
    if _LIBC is None:
        return False
    return any(_LIBC.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))

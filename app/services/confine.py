"""What a child process does to itself before it touches a stranger's bytes."""

import os
import resource
import sys
from collections.abc import Callable
from typing import Any

from app.core.process import die_with_parent, leave_network

_NO_NETWORK = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"})
_NO_PROCESSES = frozenset({"subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.system"})
_WRITE_MODES = frozenset("wax+")


def confine(
    parent: int, *, address_space: int, file_bytes: int, open_files: int, cpu_seconds: int, network: bool = False
) -> None:
    """Die with the parent, and set hard limits: bytes of memory and of any one file, open files, seconds of CPU.

    Without `network` the kernel takes that away too, where it can.
    """
    if not network:
        leave_network()
    die_with_parent(parent)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (address_space, hard))
    for limit, value in (
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, open_files),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def on_audit(check: Callable[[str, tuple[Any, ...]], None]) -> None:
    """Show every audited event (PEP 578) to `check(event, arguments)` from now on; what it raises forbids the event."""
    sys.addaudithook(check)


def _is_for_writing(mode: str | None, flags: int) -> bool:
    """`open` tells its mode, `os.open` its flags alone."""
    if mode is not None:
        return bool(_WRITE_MODES & set(mode))
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC))


def forbid_network_and_processes() -> None:
    """From now on this process connects nowhere, starts nothing, and opens no file for writing."""

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _NO_NETWORK or event in _NO_PROCESSES:
            raise PermissionError(f"{event} is not for a decoder")
        if event == "open" and _is_for_writing(arguments[1], arguments[2]):
            raise PermissionError("a decoder writes no file")

    on_audit(check)

"""The process that children are forked from: it has imported what they need, and serves one job at a time.

Started by `warm.py` as `python -I -B -m app.services.child_server MODULE OWNER`, with a socket as its stdin. It gets a
job's stdin, stdout, stderr and home folder as file descriptors, and tells the job's pid. It tells the return code when
the job has ended, but holds the pid until it gets a word: nobody else can have it while the owner kills the group.
"""

import gc
import os
import socket
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from app.core.process import die_with_parent

INTEGER_BYTES = 4
"""Every answer is one signed number, big-endian: a pid, then a return code (a signal is negative, as in subprocess)."""


def main(name: str, owner: int) -> None:
    """Serve jobs of the module of that name until the owner is gone.

    The module has a `main()` that returns an exit code, and may have a `preload()` that imports what it uses later.
    """
    die_with_parent(owner)
    module = import_module(name)
    getattr(module, "preload", lambda: None)()
    gc.collect()
    gc.freeze()  # what is never collected stays shared with every fork
    control = socket.socket(fileno=0)
    while files := socket.recv_fds(control, 1, 4)[1]:
        _serve(module, files, control)


def _serve(module: ModuleType, files: Sequence[int], control: socket.socket) -> None:
    server = os.getpid()
    pid = os.fork()
    if pid == 0:
        _run(module, files, server)
    for file in files:
        os.close(file)
    _say(control, pid)
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    if ended is None:
        raise ChildProcessError(pid)
    _say(control, ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status)
    control.recv(1)
    os.waitpid(pid, 0)


def _run(module: ModuleType, files: Sequence[int], server: int) -> NoReturn:
    """The job, in its own session: of the server's it keeps the memory alone."""
    code = 1
    try:
        os.setsid()
        die_with_parent(server)
        for number, file in enumerate(files[:3]):  # over the server's own, the socket among them
            os.dup2(file, number)
        os.fchdir(files[3])
        for file in files:
            os.close(file)
        os.environ["HOME"] = os.environ["TMPDIR"] = str(Path.cwd())
        tempfile.tempdir = None
        code = module.main()
    except BaseException:  # noqa: BLE001 - as the interpreter does at its end
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)


def _say(control: socket.socket, number: int) -> None:
    control.sendall(number.to_bytes(INTEGER_BYTES, "big", signed=True))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""The owner's side of the servers that children are forked from: started at the first job, kept for the next ones.

Each thread has its own, as the kernel ends what must not outlive its parent with the *thread* that started it; and a
process that was forked since has none yet.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from app.services.child_server import INTEGER_BYTES

_PATIENCE_SECONDS = 10.0
"""For an answer that a server owes at once; then it counts as dead."""


class Server:
    """A process that has imported `module`, and the job that it serves, if any."""

    def __init__(self, module: str) -> None:
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_PATIENCE_SECONDS)
        home = tempfile.gettempdir()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-m", "app.services.child_server", module, str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.defpath, "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8", "PYTHONUTF8": "1"},
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._job: int | None = None
        self._code: int | None = None
        self._end = weakref.finalize(self, _end, self._process, self._control, os.getpid())

    def begin(self, files: Sequence[int]) -> None:
        """Begin a job with these as stdin, stdout, stderr and home folder. Raises `OSError` from a dead server."""
        self._job = self._code = None
        socket.send_fds(self._control, [b"j"], list(files))

    def has_begun(self) -> bool:
        """Whether the job has been forked; waits for that, in vain where the server is gone."""
        self._job = self._job or self._hear()
        return self._job is not None

    def wait(self) -> int:
        """The return code of the job, which is over or about to be; the server's own where that is gone."""
        if self._code is None:
            self._code = self._hear() if self.has_begun() else None
        if self._code is None:
            self.kill()
            self._end()
            self._code = self._process.returncode
        return self._code

    def kill(self) -> None:
        """Kill the job and all that it started; harmless when it has ended.

        Once the server is gone, nobody holds the job's number any more.
        """
        if self._job is None or not self._end.alive:
            return
        for kill in (os.kill, os.killpg):  # it may not lead a group of its own yet
            with suppress(ProcessLookupError):
                kill(self._job, signal.SIGKILL)

    def finish(self) -> bool:
        """Kill what is left of the job; whether the server can take another."""
        if self._job is None and not select.select([self._control], [], [], 0)[0]:
            self._end()  # it still imports, and nobody waits for that any more
        elif self.has_begun():
            self.kill()
        self.wait()
        with suppress(OSError):  # closed, where the server has been ended
            self._control.sendall(b"k")
            return True
        return False

    def _hear(self) -> int | None:
        """The server's next answer; None where it owes one and does not give it."""
        try:
            answer = self._control.recv(INTEGER_BYTES, socket.MSG_WAITALL)
        except OSError:
            return None
        return int.from_bytes(answer, "big", signed=True) if answer else None


def _end(process: "subprocess.Popen[bytes]", control: socket.socket, owner: int) -> None:
    """What was forked from the owner since has a copy of the socket, and no say in the server's life."""
    control.close()
    if os.getpid() == owner:
        process.kill()
        process.wait()


class _Idle(threading.local):
    """The servers of this thread that have no job, by module."""

    def __init__(self) -> None:
        self._owner = 0
        self._servers: defaultdict[str, list[Server]] = defaultdict(list)

    def of(self, module: str) -> list[Server]:
        if self._owner != os.getpid():
            self._owner = os.getpid()
            self._servers = defaultdict(list)
        return self._servers[module]


_idle = _Idle()


@contextmanager
def forked(module: str, files: Sequence[int]) -> Iterator[Server]:
    """A server that runs `module.main()` with these as stdin, stdout, stderr and home folder.

    The job is gone when the block ends, with all that it started.
    """
    server = _begun(module, files)
    try:
        yield server
    finally:
        if server.finish():
            _idle.of(module).append(server)


def _begun(module: str, files: Sequence[int]) -> Server:
    """A server that was idle and has proved to be alive, or a new one, which may still import."""
    idle = _idle.of(module)
    while idle:
        server = idle.pop()
        with suppress(OSError):
            server.begin(files)
            if server.has_begun():
                return server
    server = Server(module)
    server.begin(files)
    return server

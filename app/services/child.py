"""The parent's side of a child process: forked without secrets, spoken to over pipes, killed with all it started."""

import json
import os
import selectors
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from app.services.warm import Server, forked

_POLL_SECONDS = 0.2
_STDERR_TAIL_BYTES = 8192
_MAX_LINE_BYTES = 1 << 20
_START_SECONDS = 10.0
"""For taking the job, which fits into the pipe."""


class ChildDiedError(Exception):
    """The child ended without an answer; `log` is the end of what it wrote to stderr."""

    def __init__(self, returncode: int | None, log: str) -> None:
        super().__init__(f"child ended with {returncode}: {log[-2000:]}")
        self.returncode = returncode
        self.log = log


class ChildSilentError(Exception):
    """The child has said nothing for longer than it may."""


class Child:
    """A running child. Messages are JSON objects, one a line; a message may announce raw bytes behind it."""

    def __init__(self, server: Server, stdin: IO[bytes], stdout: IO[bytes], log: IO[bytes]) -> None:
        self._server = server
        self._stdin = stdin
        self._stdout = stdout
        self._log = log
        self._buffer = bytearray()

    def send(self, body: bytes, check: Callable[[], None], silence_seconds: float) -> None:
        """Write raw bytes to the child's stdin, as it reads them; `check` and the silence are those of `messages`."""
        left = memoryview(body)
        while left:
            self._wait(self._stdin, selectors.EVENT_WRITE, check, silence_seconds)
            try:
                left = left[os.write(self._stdin.fileno(), left) :]
            except OSError as error:
                raise self._died() from error

    def messages(self, check: Callable[[], None], silence_seconds: float) -> Iterator[dict[str, Any]]:
        """What the child says until it ends well. `check` is called at least five times a second and may raise.

        Raises `ChildDiedError` where it ends badly, and `ChildSilentError` after so long without a word.
        """
        while True:
            line = self._take_line(check, silence_seconds)
            if line is None:
                if self._server.wait() != 0:
                    raise self._died()
                return
            message = json.loads(line)
            yield message

    def raw(self, length: int, check: Callable[[], None], silence_seconds: float) -> bytes:
        """The next `length` raw bytes of the child's stdout."""
        while len(self._buffer) < length:
            if not self._fill(check, silence_seconds):
                raise self._died()
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _take_line(self, check: Callable[[], None], silence_seconds: float) -> bytes | None:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _MAX_LINE_BYTES:
                raise ChildDiedError(None, "it said too much in one line")
            if not self._fill(check, silence_seconds):
                return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _fill(self, check: Callable[[], None], silence_seconds: float) -> bool:
        """Wait for more output; False at its end."""
        self._wait(self._stdout, selectors.EVENT_READ, check, silence_seconds)
        piece = os.read(self._stdout.fileno(), 65536)
        self._buffer += piece
        return bool(piece)

    @staticmethod
    def _wait(pipe: IO[bytes], event: int, check: Callable[[], None], silence_seconds: float) -> None:
        """Until the pipe can be read or written without waiting."""
        deadline = time.monotonic() + silence_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            while not selector.select(_POLL_SECONDS):
                check()
                if time.monotonic() > deadline:
                    raise ChildSilentError
        check()

    def _died(self) -> ChildDiedError:
        returncode = self._server.wait()
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _STDERR_TAIL_BYTES))
        return ChildDiedError(returncode, self._log.read().decode(errors="replace"))


@contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """An end to read from, and one to write to."""
    read, write = os.pipe()
    with open(read, "rb", buffering=0) as source, open(write, "wb", buffering=0) as target:  # noqa: PTH123 - no path
        yield source, target


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """The folder's file descriptor."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def run_child(module: str, job: Mapping[str, Any], folder: Path | None = None) -> Iterator[Child]:
    """Run `module.main()` in a process of its own, with `job` as its first line of input.

    It is gone when the block ends, however it ends. It is forked from a process that is kept for the next job of this
    thread. Its environment holds nothing of ours, and `folder` (default: the system's temporary one) is its home.
    """
    with (
        tempfile.TemporaryFile() as log,
        _pipe() as (their_stdin, stdin),
        _pipe() as (stdout, their_stdout),
        _opened(folder or Path(tempfile.gettempdir())) as home,
        forked(module, (their_stdin.fileno(), their_stdout.fileno(), log.fileno(), home)) as server,
    ):
        their_stdin.close()
        their_stdout.close()
        os.set_blocking(stdin.fileno(), False)
        child = Child(server, stdin, stdout, log)
        child.send(json.dumps({"parent": server.pid, **job}).encode() + b"\n", lambda: None, _START_SECONDS)
        yield child

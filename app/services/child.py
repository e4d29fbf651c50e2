"""The parent's side of a child process: started without secrets, spoken to over pipes, killed with all it started."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

_POLL_SECONDS = 0.2
_STDERR_TAIL_BYTES = 8192
_MAX_LINE_BYTES = 1 << 20


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

    def __init__(self, process: "subprocess.Popen[bytes]", log: IO[bytes]) -> None:
        self._process = process
        self._log = log
        self._buffer = bytearray()
        if process.stdin is None or process.stdout is None:
            raise ValueError("a child is spoken to over pipes")
        self._stdin = process.stdin
        self._stdout = process.stdout

    def send(self, body: bytes) -> None:
        """Write raw bytes to the child's stdin. Raises `ChildDiedError`."""
        try:
            self._stdin.write(body)
            self._stdin.flush()
        except OSError as error:
            raise self._died() from error

    def messages(self, check: Callable[[], None], silence_seconds: float) -> Iterator[dict[str, Any]]:
        """What the child says until it ends well. `check` is called at least five times a second and may raise.

        Raises `ChildDiedError` where it ends badly, and `ChildSilentError` after so long without a word.
        """
        while True:
            line = self._take_line(check, silence_seconds)
            if line is None:
                if self._process.wait() != 0:
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
        deadline = time.monotonic() + silence_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while not selector.select(_POLL_SECONDS):
                check()
                if time.monotonic() > deadline:
                    raise ChildSilentError
        check()
        piece = os.read(self._stdout.fileno(), 65536)
        self._buffer += piece
        return bool(piece)

    def _died(self) -> ChildDiedError:
        returncode = self._process.wait()
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _STDERR_TAIL_BYTES))
        return ChildDiedError(returncode, self._log.read().decode(errors="replace"))

    def kill(self) -> None:
        """Kill the child and all that it started; harmless when it has ended."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


@contextmanager
def run_child(module: str, job: Mapping[str, Any], folder: Path | None = None) -> Iterator[Child]:
    """Run `python -m module` with `job` as its first line of input; it is gone when the block ends, however it ends.

    Its environment holds nothing of ours, and `folder` (default: the system's temporary one) is its home.
    """
    home = str(folder or tempfile.gettempdir())
    environment = {"PATH": os.defpath, "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8", "PYTHONUTF8": "1"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=home,
            env=environment,
            start_new_session=True,
        )
        child = Child(process, log)
        try:
            child.send(json.dumps({"parent": os.getpid(), **job}).encode() + b"\n")
            yield child
        finally:
            child.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):  # what was not sent has nobody to read it
                        pipe.close()

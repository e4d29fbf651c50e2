"""Where the lines of the supervised processes go: each to its own log file, and to the terminal by name."""

import asyncio
import contextlib
import os
from collections import deque
from io import BufferedWriter
from pathlib import Path

from rich.console import Console
from rich.text import Text

LOG_FILE_BYTES = 16 * 1024 * 1024
LINE_BYTES = 64 * 1024
TAIL_LINES = 20
NAME_WIDTH = 8
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan", "bright_magenta")


class Terminal:
    """Lines behind a coloured, aligned name; plain text where the console is no terminal. Silent if quiet."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._colours: dict[str, str] = {}

    def show(self, name: str, line: str) -> None:
        """Print one line of the process `name`."""
        if self._quiet:
            return
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        text = Text(f"{name:<{NAME_WIDTH}} | ", style=colour)
        # `from_ansi` keeps colours and drops every other control sequence.
        text.append_text(Text.from_ansi(line, style="default"))
        # A terminal that has been closed must not take the processes with it.
        with contextlib.suppress(OSError):
            self._console.print(text, soft_wrap=True)


class ProcessOutput:
    """One process's output, over all its starts.

    `folder/NAME.log` gets every line; the file of the last start, or of 16 MiB ago, stays as `NAME.log.1`.
    `tail` holds the last 20 lines.
    """

    def __init__(self, name: str, folder: Path, terminal: Terminal | None) -> None:
        self.path = folder / f"{name}.log"
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._name = name
        self._terminal = terminal
        self._file = self._open()

    async def copy(self, descriptor: int) -> None:
        """Take over the read end of a pipe and copy its lines until its last writer closes it."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        rest = b""
        try:
            while chunk := await reader.read(LINE_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._write(line)
                if len(rest) >= LINE_BYTES:
                    self._write(rest)
                    rest = b""
        finally:
            if rest:
                self._write(rest)
            transport.close()

    def close(self) -> None:
        """Close the log file."""
        self._file.close()

    def _write(self, line: bytes) -> None:
        if self._file.tell() > LOG_FILE_BYTES:
            self._file.close()
            self._file = self._open()
        self._file.write(line + b"\n")
        self._file.flush()
        text = line.decode("utf-8", "replace").rstrip("\r")
        self.tail.append(text)
        if self._terminal is not None:
            self._terminal.show(self._name, text)

    def _open(self) -> BufferedWriter:
        if self.path.exists():
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        return self.path.open("wb")

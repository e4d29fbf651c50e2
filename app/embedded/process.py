"""One supervised process: started with its readiness awaited, started again when it dies, stopped for good."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from app.core.errors import TakeupError
from app.core.process import die_with_parent
from app.embedded.output import ProcessOutput

POLL_SECONDS = 0.05
CHECK_SECONDS = 5.0
DRAIN_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 30.0


class StartFailedError(TakeupError):
    """A process ended, or was not ready in time, at its first start."""

    code: ClassVar[str] = "embedded.start_failed"
    message: ClassVar[str] = "A part of Takeup did not start."
    hint: ClassVar[str] = "Its whole log is in the folder `logs` of the data folder."
    status: ClassVar[int] = 500


@dataclass(frozen=True)
class ProcessSpec:
    """What a process is.

    `env` is its whole environment, not an addition. `ready` answers whether it serves by now; without it the
    process counts as ready once it runs. `leftovers` are the files that it does not
    clean up itself: removed before every start and after every end. With `echo` off its lines go to its log file
    alone.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    ready: Callable[[], Awaitable[bool]] | None = None
    cwd: Path | None = None
    leftovers: Sequence[Path] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_seconds: float = 10.0
    ready_seconds: float = 30.0
    echo: bool = True


class SupervisedProcess:
    """Runs one spec in a session of its own, so that its whole process group can be killed.

    On Linux it dies with the supervisor, however that ends. Must be started from the thread that lives as long
    as the supervisor: the kernel ties the death signal to the thread that forked.
    """

    def __init__(self, spec: ProcessSpec, output: ProcessOutput, announce: Callable[[str], None]) -> None:
        self.spec = spec
        self._output = output
        self._announce = announce
        self._process: asyncio.subprocess.Process | None = None
        self._group: int | None = None
        self._copying: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, wait until it is ready, and keep it running from then on. Raises `StartFailedError`."""
        try:
            await self._spawn()
        except OSError as error:
            raise StartFailedError(f"{self.spec.name} cannot be started: {error}.") from error
        await self._until_ready()
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Send the stop signal, wait out the grace, then kill whatever is left of its process group."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._process is None:
            return
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.spec.stop_signal)
            try:
                async with asyncio.timeout(self.spec.stop_grace_seconds):
                    await self._process.wait()
            except TimeoutError:
                self._announce(
                    f"{self.spec.name} did not stop within {self.spec.stop_grace_seconds:g} s and was killed"
                )
                self._kill_group()
        await self._ended(self._process)

    def kill(self) -> None:
        """Kill it and its process group at once, for good; `stop` still has to be awaited."""
        if self._keeping is not None:
            self._keeping.cancel()
        self._kill_group()

    async def _spawn(self) -> None:
        self._remove_leftovers()
        # A pipe of our own: with asyncio's, wait() may last until grandchildren close it too.
        reading, writing = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                env=dict(self.spec.env),
                cwd=self.spec.cwd,
                start_new_session=True,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._group = self._process.pid
        self._copying = asyncio.create_task(self._output.copy(reading))

    async def _until_ready(self) -> None:
        process = self._process
        assert process is not None  # noqa: S101 - for the type checker: _spawn has set it
        deadline = time.monotonic() + self.spec.ready_seconds
        while not await self._is_ready():
            if process.returncode is not None:
                await self._ended(process)
                raise StartFailedError(
                    self._with_tail(f"{self.spec.name} {_how_it_ended(process.returncode)} before it was ready.")
                )
            if time.monotonic() > deadline:
                raise StartFailedError(
                    self._with_tail(f"{self.spec.name} was not ready within {self.spec.ready_seconds:g} s.")
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _is_ready(self) -> bool:
        if self.spec.ready is None:
            return True
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await self.spec.ready()
        except TimeoutError:
            return False

    async def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while self._process is not None:
            started = time.monotonic()
            code = await self._ended(self._process)
            if time.monotonic() - started >= STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._announce(
                f"{self.spec.name} {_how_it_ended(code)}; starting it again in {pause:g} s (log: {self._output.path})"
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            try:
                await self._spawn()
            except OSError as error:
                self._announce(f"{self.spec.name} cannot be started: {error}")

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        """Wait for the end of `process`, of its group and of its output."""
        code = await process.wait()
        self._kill_group()
        self._group = None
        self._remove_leftovers()
        if self._copying is not None:
            # A descendant that left the group may hold the pipe open for ever.
            await asyncio.wait({self._copying}, timeout=DRAIN_SECONDS)
            self._copying.cancel()
        return code

    def _remove_leftovers(self) -> None:
        for path in self.spec.leftovers:
            path.unlink(missing_ok=True)

    def _kill_group(self) -> None:
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, signal.SIGKILL)

    def _with_tail(self, sentence: str) -> str:
        return "\n  ".join([sentence, *self._output.tail])


def _how_it_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

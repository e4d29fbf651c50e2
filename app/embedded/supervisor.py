"""Starts the processes of a service group by group, keeps them running, and stops them in reverse."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from pathlib import Path

from rich.console import Console

from app.embedded.data_folder import private_folder
from app.embedded.output import ProcessOutput, Terminal
from app.embedded.process import ProcessSpec, SupervisedProcess

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OWN_NAME = "takeup"


class Supervisor:
    """Runs processes until SIGINT, SIGTERM or SIGHUP.

    Their lines go to `data_dir/logs/NAME.log`, and to `console` unless `quiet`. Hold a `DataFolderLock` on
    `data_dir` around it.
    """

    def __init__(self, data_dir: Path, *, console: Console | None = None, quiet: bool = False) -> None:
        self._logs = data_dir / "logs"
        self._terminal = Terminal(console or Console(), quiet=quiet)
        self._groups: list[list[SupervisedProcess]] = []
        self._outputs: list[ProcessOutput] = []
        self._stop = asyncio.Event()
        self._killed = False

    async def run(self, bring_up: Callable[["Supervisor"], Awaitable[None]]) -> int:
        """Await `bring_up`, which calls `start` as often as it needs, then a stop; stop everything in any case.

        The exit code is 0 after one signal or `request_stop`, 130 when a second signal killed at once. What
        `bring_up` raises comes out of here, after everything has been stopped; a stop in its midst cancels it.
        """
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        bringing_up = asyncio.ensure_future(bring_up(self))
        stop_wanted = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({bringing_up, stop_wanted}, return_when=asyncio.FIRST_COMPLETED)
            if bringing_up.done():
                bringing_up.result()
            await stop_wanted
        finally:
            stop_wanted.cancel()
            bringing_up.cancel()
            await asyncio.gather(bringing_up, return_exceptions=True)
            await self._stop_all()
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)
        return 130 if self._killed else 0

    async def start(self, specs: Sequence[ProcessSpec]) -> None:
        """Start `specs` together, and wait until all are ready; they are stopped together too.

        Raises `StartFailedError`.
        """
        private_folder(self._logs)
        group: list[SupervisedProcess] = []
        self._groups.append(group)
        for spec in specs:
            output = ProcessOutput(spec.name, self._logs, self._terminal if spec.echo else None)
            self._outputs.append(output)
            group.append(SupervisedProcess(spec, output, self.say))
        starting = [asyncio.create_task(self._start(process)) for process in group]
        try:
            await asyncio.gather(*starting)
        finally:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    async def _start(self, process: SupervisedProcess) -> None:
        await process.start()
        self.say(f"{process.spec.name} is ready")

    def say(self, line: str) -> None:
        """Print a line of the supervisor's own."""
        self._terminal.show(OWN_NAME, line)

    def request_stop(self) -> None:
        """Do what a first SIGINT does."""
        self._stop.set()

    def _on_signal(self) -> None:
        if not self._stop.is_set():
            self.say("stopping; once more kills at once")
            self._stop.set()
            return
        self._killed = True
        for process in chain.from_iterable(self._groups):
            process.kill()

    async def _stop_all(self) -> None:
        for group in reversed(self._groups):
            await asyncio.gather(*(process.stop() for process in group))
        for output in self._outputs:
            output.close()

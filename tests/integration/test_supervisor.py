"""The supervisor's processes: how they fail, stop, and are killed."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from app.embedded.process import ProcessSpec, StartFailedError
from app.embedded.supervisor import Supervisor
from tests.servers import eventually, is_alive


def python(name: str, program: str, **more: Any) -> ProcessSpec:
    return ProcessSpec(name=name, argv=[sys.executable, "-c", program], env=dict(os.environ), **more)


async def _never() -> bool:
    return False


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("print('no such reel'); raise SystemExit(3)", r"ended with exit code 3 before it was ready.\n  no such reel"),
        ("import time; print('slow', flush=True); time.sleep(60)", r"was not ready within 1 s.\n  slow"),
    ],
)
def test_failed_start_names_the_process_and_shows_its_log(tmp_path: Path, program: str, message: str) -> None:
    spec = python("projector", program, ready=_never, ready_seconds=1)
    supervisor = Supervisor(tmp_path, quiet=True)
    with pytest.raises(StartFailedError, match=f"projector {message}"):
        asyncio.run(supervisor.run(lambda supervisor: supervisor.start([spec])))


def test_stop_is_in_reverse_and_leaves_no_grandchild(tmp_path: Path) -> None:
    order = tmp_path / "order"
    polite = (
        "import signal, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "def end(*_):\n"
        f"    open({str(order)!r}, 'a').write(NAME)\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    log = tmp_path / "logs"
    specs = [python(name, f"NAME = {name!r}\n{polite}", ready=_logged(log / f"{name}.log")) for name in ("a", "b")]
    specs.append(python("c", stubborn, ready=_logged(log / "c.log"), stop_grace_seconds=0.5))
    grandchildren: list[psutil.Process] = []

    async def bring_up(supervisor: Supervisor) -> None:
        for spec in specs:
            await supervisor.start([spec])
        grandchildren.extend(psutil.Process(int((log / f"{name}.log").read_text())) for name in ("a", "b"))
        supervisor.request_stop()

    console = Console(file=(tmp_path / "terminal").open("w"), width=40)
    assert asyncio.run(Supervisor(tmp_path, console=console).run(bring_up)) == 0
    console.file.close()
    assert order.read_text() == "ba"
    assert grandchildren
    eventually(lambda: not any(map(is_alive, grandchildren)), seconds=5, what="the grandchildren are dead")
    lines = (tmp_path / "terminal").read_text().splitlines()
    assert "a        | " + str(grandchildren[0].pid) in lines
    assert "takeup   | c did not stop within 0.5 s and was killed" in lines


def test_second_signal_kills_at_once(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    ready = _logged(tmp_path / "logs" / "a.log")

    async def bring_up(supervisor: Supervisor) -> None:
        await supervisor.start([python("a", stubborn, ready=ready, stop_grace_seconds=60)])
        asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    begun = time.monotonic()
    assert asyncio.run(Supervisor(tmp_path, quiet=True).run(bring_up)) == 130
    assert time.monotonic() - begun < 10


def _logged(file: Path) -> Callable[[], Any]:
    async def ready() -> bool:
        return await asyncio.to_thread(lambda: file.stat().st_size > 0)

    return ready

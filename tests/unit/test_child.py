"""Children forked from a warm server: what they share, and that nothing of them outlives its time."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Barrier

import psutil
import pytest

from app.services.child import Child, ChildDiedError, run_child
from tests.servers import eventually, is_alive

INSPECTOR = "app.services.process.inspector"
JOB = {"size": 100, "max_duration_seconds": 60}
SILENCE = 60

OWNER = """
import os, time
from tests.unit.test_child import waiting
with waiting() as (child, server, job):
    print(server.pid, job.pid, flush=True)
    time.sleep(60)
"""

FORKED = """
import os, sys
from tests.unit.test_child import waiting
with waiting() as (_, first, _):
    pass
if os.fork() == 0:
    with waiting() as (_, own, _):
        assert own.pid != first.pid and own.ppid() == os.getpid()
    sys.exit()
assert os.wait()[1] == 0
with waiting() as (_, again, _):
    assert again.pid == first.pid
print("each its own")
"""


@contextmanager
def waiting() -> Iterator[tuple[Child, psutil.Process, psutil.Process]]:
    """A child that waits for the bytes it asked for, its server, and its process."""
    with run_child(INSPECTOR, JOB) as child:
        assert next(child.messages(lambda: None, SILENCE))["type"] == "read"
        server = psutil.Process(child._server.pid)
        (job,) = server.children()
        yield child, server, job


def listen(child: Child) -> None:
    list(child.messages(lambda: None, SILENCE))


def is_gone(process: psutil.Process) -> bool:
    return not is_alive(process)


class EnoughError(Exception):
    """What a check raises."""


def test_child_that_reads_no_more_holds_nobody_up() -> None:
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks > 2:
            raise EnoughError

    with suppress(EnoughError), waiting() as (child, _, job):
        job.send_signal(signal.SIGSTOP)
        child.send(bytes(1 << 20), check, SILENCE)
    assert looks > 2
    assert is_gone(job)


def test_one_server_serves_job_after_job_each_in_a_process_of_its_own() -> None:
    seen = []
    for _ in range(4):
        with waiting() as (_, server, job):
            seen.append((server.pid, job.pid))
        assert is_gone(job)
        assert not is_gone(server)
    assert len({server for server, _ in seen}) == 1
    assert len({job for _, job in seen}) == 4


def test_jobs_at_once_have_a_server_each() -> None:
    with waiting() as (_, one, _), waiting() as (_, other, _):
        assert one.pid != other.pid


def test_server_killed_while_idle_costs_no_job() -> None:
    with waiting() as (_, killed, _):
        pass
    killed.kill()
    with waiting() as (_, server, _):
        assert server.pid != killed.pid


def test_server_killed_while_a_job_runs_takes_the_job_along() -> None:
    with waiting() as (child, server, job):
        server.kill()
        with pytest.raises(ChildDiedError) as died:
            listen(child)
    assert died.value.returncode == -signal.SIGKILL
    eventually(lambda: is_gone(job), seconds=5, what="the job is gone")
    with waiting() as (_, other, _):
        assert other.pid != server.pid


def test_job_that_is_frozen_is_gone_when_its_block_ends() -> None:
    with waiting() as (_, server, job):
        job.suspend()
    assert is_gone(job)
    assert not is_gone(server)


def test_child_that_fails_leaves_its_traceback_and_a_server_that_goes_on() -> None:
    with waiting() as (_, server, _):
        pass
    with pytest.raises(ChildDiedError) as died, run_child(INSPECTOR, {}) as child:
        listen(child)
    assert died.value.returncode == 1
    assert "KeyError" in died.value.log
    with waiting() as (_, same, _):
        assert same.pid == server.pid


def test_killed_child_tells_its_signal() -> None:
    with waiting() as (child, _, job):
        job.send_signal(signal.SIGXCPU)
        with pytest.raises(ChildDiedError) as died:
            listen(child)
    assert died.value.returncode == -signal.SIGXCPU


def test_threads_have_servers_of_their_own_that_end_with_them() -> None:
    both = Barrier(2)

    def run() -> psutil.Process:
        with waiting() as (_, server, job):
            both.wait(30)
            assert job.ppid() == server.pid
            return server

    with ThreadPoolExecutor(2) as threads:
        one, other = (threads.submit(run) for _ in range(2))
    assert one.result().pid != other.result().pid
    for server in (one.result(), other.result()):
        eventually(lambda server=server: is_gone(server), seconds=5, what="the server is gone")  # type: ignore[misc]


def test_owner_that_is_killed_leaves_neither_server_nor_job() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        server, job = (psutil.Process(int(pid)) for pid in owner.stdout.readline().split())
        owner.kill()
        eventually(lambda: is_gone(server) and is_gone(job), seconds=5, what="server and job are gone")


def test_process_that_was_forked_does_not_use_its_parents_server() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], check=False, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("each its own\n", "")


def test_neither_server_nor_child_holds_what_is_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "hidden-from-children")
    monkeypatch.chdir(tmp_path)

    def look() -> None:  # in a thread of its own, which has no server yet
        with waiting() as (_, server, job):
            assert server.num_threads() == 1
            assert server.environ().keys() == {"PATH", "HOME", "TMPDIR", "LANG", "PYTHONUTF8"}
            assert (server.cwd(), job.cwd()) == ("/", tempfile.gettempdir())
            files = {file.name: str(file.readlink()) for file in Path(f"/proc/{job.pid}/fd").iterdir()}
            assert {name for name, target in files.items() if "pipe:" in target} == {"0", "3"}  # stdin; stdout, moved
            assert len(files) == 4
            assert not [target for target in files.values() if target.startswith("socket:")]

    with ThreadPoolExecutor(1) as thread:
        thread.submit(look).result()

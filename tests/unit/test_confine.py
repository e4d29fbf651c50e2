"""What a confined child may not do, shown in processes of its own."""

import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tests.servers import eventually

CONFINED = """
import os, socket, subprocess, sys
from app.services.confine import confine, forbid_network_and_processes
confine(os.getppid(), address_space=1 << 30, file_bytes=1 << 20, open_files=64, cpu_seconds=5)
forbid_network_and_processes()
path = sys.argv[1]
"""


def run_confined(program: str, path: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", "-B", "-c", CONFINED + program, str(path)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(
    "program",
    [
        "open(path, 'w')",
        "open(path, 'ab')",
        "os.open(path, os.O_WRONLY | os.O_CREAT)",
        "os.open(path, os.O_RDWR)",
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.getaddrinfo('localhost', 80)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "subprocess.Popen(['true'])",
        "os.system('true')",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
    ],
)
def test_a_decoder_writes_nothing_connects_nowhere_and_starts_nothing(program: str, tmp_path: Path) -> None:
    done = run_confined(program, tmp_path / "file")
    assert done.returncode != 0
    assert "PermissionError" in done.stderr
    assert not (tmp_path / "file").exists()


def test_memory_is_bounded(tmp_path: Path) -> None:
    assert "MemoryError" in run_confined("bytearray(2 << 30)", tmp_path).stderr


def test_what_a_decoder_needs_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("read me")
    assert run_confined("print(open(path).read()); import wave", tmp_path / "file").stdout == "read me\n"


BARE = "import sys; from app.core.process import leave_network; sys.exit(not leave_network())"
kernel_can = subprocess.run([sys.executable, "-c", BARE], check=False).returncode == 0


@pytest.mark.skipif(not kernel_can, reason="the kernel gives us no namespace")
def test_native_code_that_no_hook_sees_has_no_network(tmp_path: Path) -> None:
    program = """
import ctypes
listening = ctypes.create_string_buffer(bytes([2, 0, *int(path).to_bytes(2), 127, 0, 0, 1, *bytes(8)]))
libc = ctypes.CDLL(None)
print(libc.connect(libc.socket(2, 1, 0), listening, 16))
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert run_confined(program, Path(port)).stdout == "-1\n"
        bare = [sys.executable, "-c", f"import sys; path = sys.argv[1]{program}", port]
        assert subprocess.run(bare, check=False, capture_output=True, text=True, timeout=30).stdout == "0\n"


def test_a_child_without_a_network_dies_with_its_parent_all_the_same() -> None:
    child = f"{CONFINED.replace('sys.argv[1]', '0')}print(os.getpid(), flush=True); import time; time.sleep(60)"
    parent = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        pid = int(running.stdout.readline())
        running.kill()
        eventually(
            lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie",
            seconds=5,
            what="the child is gone",
        )


def test_what_connects_in_native_code_is_not_installed() -> None:
    assert find_spec("curl_cffi") is None

"""What a confined child may not do, shown in processes of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

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

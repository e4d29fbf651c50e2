"""What a person would use instead: whole processes, measured as such."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

RCLONE = str(Path(sys.executable).with_name("rclone"))
_LOOK_SECONDS = 0.02
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
"""rclone fails where AWS_CA_BUNDLE is set."""


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds, seconds of CPU, and MiB of memory at most."""

    wall: float
    cpu: float
    peak_mib: float


def run(*commands: list[str], environment: dict[str, str] | None = None) -> Cost:
    """Whole processes, one after the other."""
    began, cpu, peak = time.perf_counter(), 0.0, 0.0
    for command in commands:
        process = subprocess.Popen(
            command, env={**_ENVIRONMENT, **(environment or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        held = _PeakOf(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.stderr is not None
        with process.stderr as errors:
            if process.returncode:
                raise SystemExit(f"{command}: {errors.read().decode()}")
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, held.mib)
    return Cost(time.perf_counter() - began, cpu, peak)


def rclone_remote(endpoint: str, key: str, secret: str) -> dict[str, str]:
    """The environment in which rclone knows this S3 as `bench:`, and nothing of the person's own configuration."""
    return {
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_BENCH_TYPE": "s3",
        "RCLONE_CONFIG_BENCH_PROVIDER": "Other",
        "RCLONE_CONFIG_BENCH_ENDPOINT": endpoint,
        "RCLONE_CONFIG_BENCH_ACCESS_KEY_ID": key,
        "RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY": secret,
        "RCLONE_S3_NO_CHECK_BUCKET": "true",
    }


class _PeakOf(Thread):
    """MiB that a process has held at most. Its `ru_maxrss` would count the process that it was forked from."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self.mib = 0.0
        self.start()

    def run(self) -> None:
        with suppress(OSError, IndexError):  # it has ended
            while True:
                text = self._status.read_text().split("VmHWM:")[1]
                self.mib = int(text.split()[0]) / 1024
                time.sleep(_LOOK_SECONDS)

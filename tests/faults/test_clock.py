"""Workers whose own clock is wrong: leases, retries and cleaning up go by the database server's."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Begin
from tests.faults.test_shutdown import outcomes
from tests.faults.test_workers import holder
from tests.fleet import Fleet

SLOW = 250_000
"""Bytes a second: clip.mp4 takes more than two leases."""
FASTER = 700_000
SOON_SECONDS = 30.0
SHOW_TIME = "import time; print(time.time())"


@pytest.fixture(scope="module")
def clock_library(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What gives a process another wall clock; libfaketime would break `time.sleep` of Python 3.11."""
    compiler = shutil.which("cc")
    if compiler is None:
        tell = pytest.fail if pytestconfig.getoption("--long") else pytest.skip
        tell("no C compiler: apt-get install gcc libc6-dev")
    library = tmp_path_factory.mktemp("clock") / "clock_off.so"
    source = Path(__file__).with_name("clock_off.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    return library


def clock_off_by(minutes: int, library: Path) -> dict[str, str]:
    """The environment of a process whose wall clock is off; its monotonic clock is not."""
    environment = {"LD_PRELOAD": str(library), "CLOCK_OFF_SECONDS": str(minutes * 60)}
    shown = subprocess.run([sys.executable, "-c", SHOW_TIME], env=environment, check=True, capture_output=True)
    assert abs(float(shown.stdout) - time.time() - minutes * 60) < 30
    return environment


@pytest.mark.experiment(15, "a worker's clock ten minutes off", quick=1, long=3, unit="rounds")
@pytest.mark.parametrize("minutes", [10, -10], ids=["ahead", "behind"])
def test_a_wrong_clock_steals_no_lease_and_delays_nothing(
    fleet: Fleet, begin: Begin, clock_library: Path, minutes: int
) -> None:
    """Experiment 15: a download worker and a reconciler are wrong, beside a download worker that is right."""
    run = begin(fleet)
    wrong = clock_off_by(minutes, clock_library)
    with fleet.another_maintenance(**wrong):
        for _ in range(run.rounds):
            fleet.stop_workers()
            workers = fleet.online_workers(wrong, {})
            run.struck()
            slow = [run.store(rate=SLOW, copy=n) for n in range(3)]
            retried = run.store("photo.jpg", fail_first=1, copy=minutes * 100 + run.faults)
            assert fleet.wait(retried, "ready", seconds=SOON_SECONDS)["attempt"] == 2
            run.wait_ended(120)
            assert {fleet.media(scene)["attempt"] for scene in slow} == {1}
            lost = run.store(rate=FASTER)
            fleet.wait_bytes(lost)
            next(worker for worker in workers if holder(fleet, lost) in worker.children()).kill()
            run.struck([lost])
            assert fleet.wait_ended(lost)["attempt"] == 2
        assert outcomes(fleet, list(run.accepted)) == {"ready", "retrying", "crashed"}
        run.assert_holds()

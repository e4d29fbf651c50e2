"""Sources that never end, lie about their length, or send a bomb: a code each, and the machine stays well."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import Begin
from tests.faults.hostile import ANSWERS, MAX_BYTES, HostileOrigin
from tests.faults.invariant import Accepted
from tests.servers import wait_for
from tests.stack import RunningStack, running_stack

MEMORY_BYTES = 600 << 20
SHARE = 3 * MAX_BYTES
"""What one download may take of the scratch disk: its pieces, what they are put together to, and what that becomes."""


@pytest.fixture
def small_stack(tmp_path: Path) -> Iterator[RunningStack]:
    """One attempt of twenty seconds for each link, in which yt-dlp starts on a busy machine too, and 16 MiB."""
    with running_stack(
        tmp_path / "data",
        TAKEUP_MAX_ATTEMPTS="1",
        TAKEUP_JOB_SECONDS="20",
        TAKEUP_MAX_BYTES=str(MAX_BYTES),
        TAKEUP_HOST_FAILURES="1000",
        TAKEUP_CONCURRENCY="4",
    ) as running:
        yield running


@pytest.mark.experiment(22, "endless, lying, slow and bomb-like sources", quick=1, long=3, unit="rounds")
def test_hostile_source_ends_with_a_code_and_takes_no_more_than_its_share(
    small_stack: RunningStack, begin: Begin
) -> None:
    """Experiment 22."""
    run = begin(small_stack)
    most_memory = most_scratch = 0
    with HostileOrigin() as hostile:
        stored = [(name, small_stack.store(hostile.link(name))) for _ in range(run.rounds) for name in ANSWERS]
        run.accepted |= {scene["id"]: Accepted(scene["id"], {scene["media"]["source_url"]}) for _, scene in stored}
        scenes = small_stack.database["scenes"]

        def look() -> bool:
            nonlocal most_memory, most_scratch
            most_memory = max(most_memory, largest_process(small_stack))
            most_scratch = max(most_scratch, *scratch_sizes(small_stack))
            return scenes.count_documents({"media.status": "failed"}) == len(stored)

        wait_for(look, 120 * run.rounds, "every scene failed")
        codes = {name: small_stack.media(scene)["error"]["code"] for name, scene in stored}
    run.assert_holds()
    assert {name: code for name, code in codes.items() if code not in ANSWERS[name][1]} == {}
    assert 0 < most_memory < MEMORY_BYTES, f"{most_memory / (1 << 20):.0f} MiB"
    assert 0 < most_scratch <= SHARE


def largest_process(stack: RunningStack) -> int:
    """The resident bytes of the largest process under the download worker."""
    sizes = [0]
    for process in psutil.Process(stack.pid("worker")).children(recursive=True):
        with suppress(psutil.Error):
            sizes.append(process.memory_info().rss)
    return max(sizes)


def scratch_sizes(stack: RunningStack) -> list[int]:
    """The bytes of each job's folder."""
    sizes = [0]
    for folder in stack.settings.scratch_dir.glob("job-*"):
        with suppress(OSError):
            sizes.append(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
    return sizes

"""Whether the tests would notice: each pair of the table of transitions is toggled once, and a test must fail.

`python -m tests.mutate_transitions` prints what caught each change, and exits with 1 if one was not caught.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from app.models.media import TRANSITIONS, Status
from tests.servers import embedded_servers

_ROOT = Path(__file__).parents[1]
_TESTS = "tests/contract/test_transitions.py"
_AT_ONCE = 2
_SECONDS = 120
_FAILED = re.compile(r"^FAILED \S+::(?P<test>.*?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Mutant:
    """One pair, allowed where it is not, or the other way round."""

    source: Status
    target: Status

    @property
    def change(self) -> str:
        return "removed" if self.target in TRANSITIONS[self.source] else "added"

    def caught_by(self, environment: Mapping[str, str]) -> str | None:
        """The test that fails first; None where all pass."""
        return _first_failure({**environment, "TRANSITION_MUTANT": f"{self.source}>{self.target}"})


def _first_failure(environment: Mapping[str, str]) -> str | None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "tests.transition_mutant", "-p", "no:cacheprovider", _TESTS],
        cwd=_ROOT,
        env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # half of a run's time
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if done.returncode == 0:
        return None
    failed = _FAILED.search(done.stdout)
    if done.returncode != 1 or failed is None:
        sys.exit(f"the tests did not run:\n{done.stdout}{done.stderr}")
    return failed["test"].removeprefix("test_")


def _mutate(environment: Mapping[str, str]) -> int:
    """Print what caught each mutant; how many survived."""
    if failed := _first_failure(environment):
        sys.exit(f"the table as it stands fails {failed}")
    mutants = [Mutant(source, target) for source, target in product(Status, Status)]
    survived = 0
    _tell("| from -> to | change | caught by |\n|---|---|---|")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for mutant, test in zip(mutants, pool.map(lambda one: one.caught_by(environment), mutants), strict=True):
            _tell(f"| {mutant.source} -> {mutant.target} | {mutant.change} | {test or 'NOTHING'} |")
            survived += test is None
    _tell(f"\n{len(mutants) - survived} of {len(mutants)} changes were caught.")
    return survived


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_servers(Path(folder), {"REDIS_URL": "redis://127.0.0.1:1/0"}) as servers,
    ):
        survived = _mutate({**os.environ, **{f"TEST_{name}": value for name, value in servers.items()}})
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()

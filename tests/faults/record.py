"""Gathers what the experiments of one full run noted, and writes it into the report."""

import time
from typing import Any

import pytest

from tests.faults.report import write_fault_run

EXPERIMENTS = frozenset({*range(1, 14), *range(15, 24), 25})
"""The numbers that a full run has."""


class ExperimentRecord:
    """A pytest plugin of the process that the run was started in; the rows come with the tests' reports."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._rows: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A row for each experiment that came as far as its check."""
        if report.when == "call":
            noted: list[Any] = [value for name, value in report.user_properties if name == "experiment"]
            self._rows += [row | {"passed": report.passed} for row in noted]

    def pytest_sessionfinish(self) -> None:
        """Write it down, unless only some of the experiments were asked for."""
        if {row["number"] for row in self._rows} >= EXPERIMENTS:
            write_fault_run(self._rows, time.monotonic() - self._began)

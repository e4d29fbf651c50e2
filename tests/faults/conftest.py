"""The services that experiments run on, and how each is recorded for the report.

`--long` runs every experiment with the counts and times of docs/reliability.md; without it a small form of each.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.demo.origin import Origin
from tests.faults.experiment import Experiment
from tests.faults.sources import make_sources
from tests.fleet import Fleet, running_fleet
from tests.servers import shared_samples
from tests.stack import QUICK, RunningStack, running_stack

GROUPS = ((1,), (3, 4, 6, 8), (5, 7, 9, 10, 11), (12, 13, 15), (19, 22), (2, 16, 17, 18, 20, 21), (25,))
"""Experiments that share a service, where several run at once: the groups take about the same time."""

Begin = Callable[[RunningStack | Fleet], Experiment]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker("experiment")
        group = next((place for place, numbers in enumerate(GROUPS) if marker and marker.args[0] in numbers), None)
        if group is not None:
            item.add_marker(pytest.mark.xdist_group(f"service {group}"))


@pytest.fixture(scope="package")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    folder = make_sources(shared_samples(tmp_path_factory), tmp_path_factory.mktemp("origin") / "sources")
    with Origin(folder) as serving:
        yield serving


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running


@pytest.fixture(scope="package")
def shared_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet")) as running:
        yield running


@pytest.fixture
def fleet(shared_fleet: Fleet) -> Iterator[Fleet]:
    """The fleet without any worker; those that a test starts are killed after it."""
    yield shared_fleet
    shared_fleet.stop_workers()


@pytest.fixture
def production_fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A fleet with the times that production has."""
    with running_fleet(tmp_path, {"TAKEUP_ALLOW_NETWORKS": QUICK["TAKEUP_ALLOW_NETWORKS"]}) as running:
        yield running


@pytest.fixture
def begin(request: pytest.FixtureRequest, origin: Origin) -> Begin:
    """Begins this test's experiment on a service."""
    marker = request.node.get_closest_marker("experiment")
    number, title = marker.args
    size = marker.kwargs["long" if request.config.getoption("--long") else "quick"]

    def note(figures: dict[str, object]) -> None:
        case = getattr(request.node, "callspec", None)
        name = f"{title}: {case.id}" if case else title
        row = {"number": number, "title": name, "size": f"{size} {marker.kwargs['unit']}", **figures}
        request.node.user_properties.append(("experiment", row))

    return lambda service: Experiment(service, origin, size, note)

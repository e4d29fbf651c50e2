"""The samples, and the choice between an experiment's small form and its full one, with the record of a full run."""

import fcntl
from collections.abc import Iterator

import pytest

from app.demo.samples import Samples
from tests.faults.record import ExperimentRecord
from tests.servers import shared_samples

ALONE = {25}
"""Experiments that bound seconds which a busy machine adds to: while one runs, no other does."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the fault experiments with their full counts and times")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "experiment(number, title, quick, long, unit): a fault experiment, and how often, how many or how long; "
        "0 leaves it out",
    )
    if config.getoption("--long") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(ExperimentRecord())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    size = "long" if config.getoption("--long") else "quick"
    for item in items:
        marker = item.get_closest_marker("experiment")
        if marker and not marker.kwargs[size]:
            item.add_marker(pytest.mark.skip(reason="only with --long"))


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """The demo's media, made once for the whole run; nobody writes into their folder."""
    return shared_samples(tmp_path_factory)


@pytest.fixture(autouse=True)
def share_of_the_machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    marker = request.node.get_closest_marker("experiment")
    if not request.config.getoption("--long") or marker is None:
        yield
        return
    with (tmp_path_factory.getbasetemp().parent / "machine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if marker.args[0] in ALONE else fcntl.LOCK_SH)
        yield

"""One running stack and one origin for all tests of a session; a test that ends the stack starts its own."""

from collections.abc import Iterator

import pytest

from app.demo.origin import Origin
from tests.servers import shared_samples
from tests.stack import RunningStack, running_stack


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    with Origin(shared_samples(tmp_path_factory).folder) as serving:
        yield serving


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running

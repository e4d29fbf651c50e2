"""An origin whose folder a test may write to, and a scratch folder in which nothing may be left."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

from app.demo.origin import Origin
from app.demo.samples import Samples
from tests.servers import eventually
from tests.unit.extract.extracting import children_in


@pytest.fixture
def origin(samples: Samples, tmp_path: Path) -> Iterator[Origin]:
    """Serves the samples from a folder that the test may write to."""
    with Origin(copytree(samples.folder, tmp_path / "site")) as origin:
        yield origin


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """The scratch folder; whatever a test did, nothing may be left in it, and no process that works in it."""
    folder = tmp_path / "scratch"
    yield folder
    assert not folder.exists() or list(folder.iterdir()) == []
    eventually(lambda: not children_in(folder), seconds=5, what="no child is left")

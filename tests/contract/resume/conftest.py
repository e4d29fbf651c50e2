"""One scene whose source is a local origin with a file of several parts."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from app.core.config import Settings
from app.core.database import Sync
from app.demo.origin import Origin
from app.services.intake import Intake
from app.services.storage.bucket import Bucket
from tests.contract.conftest import Place
from tests.contract.taken_in import TakenIn
from tests.faults.sources import make_sources
from tests.servers import shared_samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sources(shared_samples(tmp_path_factory), tmp_path_factory.mktemp("origin") / "sources")


@pytest.fixture
def origin(folder: Path) -> Iterator[Origin]:
    with Origin(folder) as origin:
        yield origin


@pytest.fixture
def taken(database: Sync, bucket: Bucket, settings: Settings, place: Place, folder: Path) -> TakenIn:
    local = settings.model_copy(
        update={
            "takeup_allow_networks": (ip_network("127.0.0.1/32"),),
            "takeup_read_timeout_seconds": 5.0,
            "takeup_scratch_dir": folder.parent / "scratch",
        }
    )
    return TakenIn(Intake(database, bucket, local, "w"), place, folder)

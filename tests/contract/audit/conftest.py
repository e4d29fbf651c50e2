"""What the tests of the audit stand on: a bucket that they share with nobody, and an audit of all of it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from app.core.config import Settings
from app.core.database import Sync
from app.services.audit_finding import Auditor
from app.services.storage.bucket import Bucket
from tests.contract.audit.audited import insert_project
from tests.contract.conftest import Place

WHOLE = timedelta(0)


@pytest.fixture(scope="module")
def whole_bucket(shared_bucket: Bucket) -> Bucket:
    """A bucket of this module's own: an audit looks at all of it."""
    bucket = Bucket(shared_bucket.client, f"audit-{uuid4().hex}")
    bucket.client.create_bucket(Bucket=bucket.name)
    return bucket


@pytest.fixture
def auditor(database: Sync, whole_bucket: Bucket, database_settings: Settings, tmp_path: Path) -> Iterator[Auditor]:
    """An audit of everything, however young; it changes nothing."""
    settings = database_settings.model_copy(update={"takeup_scratch_dir": tmp_path / "scratch"})
    yield Auditor(database, whole_bucket, settings, grace=WHOLE, fix=False)
    whole_bucket.delete(list(whole_bucket.keys("")))
    for upload in list(whole_bucket.open_uploads("")):
        whole_bucket.abort_upload(upload.key, upload.upload_id)


@pytest.fixture
def place(database: Sync) -> Place:
    """A scene's place in a project that exists."""
    place = Place(str(uuid4()), str(uuid4()))
    insert_project(database, place.project_id)
    return place

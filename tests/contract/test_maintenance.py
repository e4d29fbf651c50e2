"""The rounds as Celery runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from app.core.config import Settings
from app.core.database import Sync
from app.models.media import Status
from tests.contract.conftest import insert_scene

# The application reads the settings of its process once, and the messages stay in that process.
ROUNDS = """
import json
from app.core.celery_app import celery_app
celery_app.conf.broker_url = "memory://"
celery_app.conf.broker_transport_options = {}
from app.tasks.maintenance_tasks import reconcile_task
def waiting(queue):
    with celery_app.connection_for_read() as connection, connection.channel() as channel:
        return channel.queue_declare(queue, durable=True).message_count
counts = []
for _ in range(2):
    reconcile_task()
    counts.append([waiting("media"), waiting("cleaning")])
print(json.dumps(counts))
"""


def test_round_rings_for_cleaning_up_only_where_nothing_of_that_waits(
    database: Sync, database_settings: Settings, tmp_path: Path
) -> None:
    insert_scene(database, Status.QUEUED)
    environment = {
        "MONGODB_URI": database_settings.mongodb_uri,
        "MONGODB_DATABASE": database_settings.mongodb_database,
        "REDIS_URL": database_settings.redis_url,
        "S3_ENDPOINT_URL": database_settings.s3_endpoint_url,
        "S3_ACCESS_KEY_ID": "key",
        "S3_SECRET_ACCESS_KEY": "secret",
    }
    done = subprocess.run(
        [sys.executable, "-c", ROUNDS],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[1, 1], [2, 1]]

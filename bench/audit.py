"""What `takeup audit` needs in memory and time, over buckets of different sizes.

    python -m bench.audit [--objects 20000 100000]

Each project has 25 ready scenes, each with an original and a poster, so that every object is looked up; every hundredth
project is missing in the database.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import urllib3

from app.core.database import Document, Sync, connect_sync
from app.models.media import Status, new_run
from app.services.storage import keys
from app.services.storage.bucket import Bucket, open_bucket
from tests.servers import embedded_servers, settings_of
from tests.stack import clean_environment

_SCENES = 25
_PER_PROJECT = 2 * _SCENES
_BODY = b"takeup"


def name_of(project: int, scene: int = 0) -> str:
    return f"00000000-0000-7000-8000-{project:06d}{scene:06d}"


def scene_of(project: int, scene: int) -> Document:
    now = datetime.now(UTC)
    place = name_of(project), name_of(project, scene)
    original = {
        "key": keys.original_key(*place, 1, "mp4"),
        "bytes": len(_BODY),
        "content_type": "video/mp4",
        "filename": "clip.mp4",
        "checksum": "sha256:0",
    }
    run = new_run("https://example.com/", 1, Status.READY, now=now, wait_seconds=0, max_attempts=5)
    poster = {"key": keys.poster_key(*place, 1), "width": 1, "height": 1}
    return {
        "_id": place[1],
        "project_id": place[0],
        "workspace": "default",
        "position": "a0",
        "text": "",
        "version": 1,
        "media": {**run, "due_ms": None, "original": original, "poster": poster},
        "deletion": None,
        "created_at": now,
        "updated_at": now,
    }


def fill(database: Sync, bucket: Bucket, projects: range) -> None:
    http = urllib3.PoolManager(maxsize=12)

    def put(key: str) -> None:
        """By a signed address: a fifth of what `put_object` costs, and this is not what is measured."""
        address = bucket.client.generate_presigned_url("put_object", Params={"Bucket": bucket.name, "Key": key})
        assert http.request("PUT", address, body=_BODY).status == 200

    with ThreadPoolExecutor(12) as pool:
        for project in projects:
            scenes = [scene_of(project, scene) for scene in range(_SCENES)]
            parts = [scene["media"][part] for scene in scenes for part in ("original", "poster")]
            list(pool.map(put, (part["key"] for part in parts)))
            if project % 100:
                database["projects"].insert_one({"_id": name_of(project), "deletion": None})
                database["scenes"].insert_many(scenes)


def measure(environment: dict[str, str], folder: Path, objects: int) -> None:
    """One audit in a process of its own."""
    command = [sys.executable, "-m", "app.cli", "audit", "--json", "--grace", "0", "--data-dir", str(folder / "none")]
    began = time.perf_counter()
    with (folder / "findings").open("w+") as output:
        process = subprocess.Popen(command, env={**clean_environment(), **environment}, stdout=output)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        output.seek(0)
        *findings, summary = output.readlines()
    seen = json.loads(summary)["looked_at"]
    assert seen["objects"] == objects, seen
    peak = used.ru_maxrss / 1024
    row = (seen["objects"], seen["scenes"], seen["projects"], len(findings), f"{seconds:.0f}", f"{peak:.0f}")
    print(f"| {' | '.join(map(str, row))} |", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--objects", type=int, nargs="+", default=[20_000, 100_000])
    options = arguments.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_servers(Path(folder) / "data", {"REDIS_URL": "redis://127.0.0.1:1/0"}) as environment,
    ):
        settings = settings_of(environment)
        database, bucket = connect_sync(settings), open_bucket(settings)
        database["scenes"].create_index("project_id")
        print("| objects | scenes | projects | findings | seconds | peak MiB |\n|---|---|---|---|---|---|", flush=True)
        filled = 0
        for objects in sorted(options.objects):
            fill(database, bucket, range(filled, objects // _PER_PROJECT))
            filled = objects // _PER_PROJECT
            measure(environment, Path(folder), filled * _PER_PROJECT)
        database.client.close()


if __name__ == "__main__":
    main()

"""The whole of Takeup as a user runs it, in a data folder of its own: what the integration tests stand on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil

from app.core.celery_app import make_celery
from app.core.config import Settings
from app.core.database import Document, Sync, connect_sync
from app.embedded.data_folder import read_running
from app.services.storage import keys
from app.services.storage.bucket import Bucket, open_bucket
from tests.servers import wait_for

QUICK = {
    "TAKEUP_ALLOW_NETWORKS": "127.0.0.1/32",
    "TAKEUP_LEASE_SECONDS": "3",
    "TAKEUP_RECONCILE_SECONDS": "1",
    "TAKEUP_CLAIM_GRACE_SECONDS": "2",
    "TAKEUP_PENDING_GRACE_SECONDS": "3",
    "TAKEUP_RETRY_BASE_SECONDS": "0.3",
    "TAKEUP_READ_TIMEOUT_SECONDS": "3",
    "TAKEUP_MAX_BYTES": str(64 << 20),
}
"""Short times, so that what takes a minute in production takes seconds here; the code is the same."""

IN_COMMAND_LINE = {
    "redis": "redis-server",
    "s3": "weed",
    "mongodb": "nx-27017",
    "api": "app.cli api",
    "worker": "media@",
    "beat": "maintenance@",
    "flower": "celery_app flower",
}


class RunningStack:
    """A `takeup up`, and what a test needs to look at it and to hurt it."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self._environment = {**_clean_environment(), **environment}
        self.start()

    def start(self) -> None:
        """Start it (again), and wait until it is ready."""
        self._output = (self.data_dir.parent / f"{self.data_dir.name}.out").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up", "--port", "0", "--data-dir", str(self.data_dir)],
            env=self._environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        running = wait_for(self._running, 60, f"ready ({self._output.name})")
        self.url = running.url
        self.settings = Settings.model_validate({n.lower(): v for n, v in running.environment.items()})
        self.database: Sync = connect_sync(self.settings)
        self.bucket: Bucket = open_bucket(self.settings)
        self.celery = make_celery(lambda: self.settings)
        self.http = httpx2.Client(base_url=f"{running.url}/api/v1", timeout=30)

    def _running(self) -> Any:
        if self.process.poll() is not None:
            raise AssertionError(f"takeup up ended: {Path(self._output.name).read_text()}")
        return read_running(self.data_dir)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it by a signal, and wait until no process of it is left."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self._close()
        self.process.send_signal(number)
        self.process.wait(60)
        _, alive = psutil.wait_procs(children, 10)
        assert not alive, f"left behind: {[child.cmdline() for child in alive]}"

    def _close(self) -> None:
        self.http.close()
        self.celery.close()
        self.database.client.close()
        self.bucket.client.close()
        self._output.close()

    def pid(self, name: str) -> int:
        """The process of that name that the supervisor started."""

        def look() -> int | None:
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.Error):
                    if IN_COMMAND_LINE[name] in " ".join(child.cmdline()):
                        return child.pid
            return None

        return wait_for(look, 15, f"a process named {name}")

    def pool_children(self) -> list[psutil.Process]:
        """The processes in which downloads run."""
        return psutil.Process(self.pid("worker")).children()

    def signal(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pid(name), number)

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        process = psutil.Process(self.pid(name))
        process.kill()
        wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 5, f"{name} killed")

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(name, signal.SIGCONT)

    def add(self, url: str | None = None, project: str | None = None) -> Document:
        """A scene with this link, not stored yet."""
        project = project or self.http.post("/projects", json={"title": "A test"}).raise_for_status().json()["id"]
        body = {"source_url": url} if url else {}
        scene: Document = self.http.post(f"/projects/{project}/scenes", json=body).raise_for_status().json()
        return scene

    def request(self, scene: Document, **more: Any) -> httpx2.Response:
        return self.http.post("/media/store", json={"project_id": scene["project_id"], "scene_id": scene["id"], **more})

    def store(self, url: str, **more: Any) -> Document:
        """A new scene with this link, its storage requested."""
        scene = self.add(url)
        self.request(scene, **more).raise_for_status()
        return scene

    def media(self, scene: Document) -> Document:
        media: Document = self.http.get(f"/media/{scene['id']}").raise_for_status().json()
        return media

    def wait(self, scene: Document, *states: str, seconds: float = 40) -> Document:
        """The scene's media, once it is in one of these states."""

        def look() -> Document | None:
            media = self.media(scene)
            return media if media["status"] in states else None

        return wait_for(look, seconds, f"{' or '.join(states)} (now {self.media(scene)})")

    def wait_ended(self, scene: Document, seconds: float = 40) -> Document:
        return self.wait(scene, "ready", "failed", "canceled", seconds=seconds)

    def wait_bytes(self, scene: Document, count: int = 1) -> Document:
        """The scene's media, once so many bytes of it are on their way."""

        def look() -> Document | None:
            media = self.media(scene)
            return media if (media["progress"] or {}).get("bytes_done", 0) >= count else None

        return wait_for(look, 30, f"{count} bytes fetched")

    def stored(self, scene: Document) -> list[str]:
        """What lies under the scene's prefix, without the prefix."""
        prefix = keys.scene_prefix(scene["project_id"], scene["id"])
        return sorted(key.removeprefix(prefix) for key in self.bucket.keys(prefix))

    def uploads(self, scene: Document) -> list[str]:
        """The multipart uploads of the scene that are open."""
        prefix = keys.scene_prefix(scene["project_id"], scene["id"])
        return [upload.key for upload in self.bucket.open_uploads(prefix)]

    def content(self, scene: Document, variant: str = "original") -> bytes:
        """What a browser gets."""
        answer = self.http.get(f"/media/{scene['id']}/content", params={"variant": variant}, follow_redirects=True)
        return answer.raise_for_status().content

    def document(self, scene: Document) -> Document | None:
        return self.database["scenes"].find_one({"_id": scene["id"]})


def _clean_environment() -> dict[str, str]:
    names = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name not in names}


@contextmanager
def running_stack(data_dir: Path, **environment: str) -> Iterator[RunningStack]:
    """A stack with short times; `environment` goes over them."""
    stack = RunningStack(data_dir, {**QUICK, **environment})
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.stop()

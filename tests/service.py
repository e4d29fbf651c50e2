"""A Takeup that runs somewhere, as its users and its operator see it: API, database, bucket and broker."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from app.core.celery_app import make_celery
from app.core.config import Settings
from app.core.database import Document, Sync, connect_sync
from app.crud import crud_api_key
from app.services.storage import keys
from app.services.storage.bucket import Bucket, open_bucket
from tests.servers import wait_for


class Service:
    """What a test does to a running Takeup without touching its processes."""

    url: str
    settings: Settings
    database: Sync
    bucket: Bucket
    http: httpx2.Client

    def connect(self, url: str, environment: Mapping[str, str]) -> None:
        """`environment`: the variables that its processes run with."""
        self.url = url
        self.environment = dict(environment)
        self.settings = Settings.model_validate({name.lower(): value for name, value in environment.items()})
        self.database = connect_sync(self.settings)
        self.bucket = open_bucket(self.settings)
        self.celery = make_celery(lambda: self.settings)
        self.http = httpx2.Client(base_url=f"{url}/api/v1", timeout=30)

    def disconnect(self) -> None:
        self.http.close()
        self.celery.close()
        self.database.client.close()
        self.bucket.client.close()

    @contextmanager
    def locked(self) -> Iterator[str]:
        """Ask everybody for a key, this one, of the workspace in which things were made without."""
        key = crud_api_key.create_key(self.database, "page", "default")
        wait_for(lambda: self.http.get("/projects").status_code == 401, 5, "a key is asked for")
        try:
            yield key
        finally:
            crud_api_key.revoke_key(self.database, "page")
            wait_for(lambda: self.http.get("/projects").status_code == 200, 5, "no key is asked for")

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

    def ring(self, scene: Document, generation: int = 1) -> None:
        """Send the message that has a worker look at the scene."""
        task = "app.tasks.media_tasks.download_media_task"
        self.celery.send_task(task, (scene["id"], generation), queue="media", ignore_result=True)

    def ring_for_sweep(self, scene_id: str) -> None:
        """Send the message that has a worker clean up after the scene."""
        task = "app.tasks.maintenance_tasks.sweep_scene_task"
        self.celery.send_task(task, (scene_id,), queue="cleaning", ignore_result=True)

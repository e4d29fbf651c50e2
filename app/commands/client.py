"""Talking to a running Takeup, as the other commands do."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2

from app.embedded.data_folder import read_running

_TIMEOUT_SECONDS = 30.0
_RECONNECT_SECONDS = 1.0
TERMINAL_STATES = frozenset({"ready", "failed", "canceled"})


class NoServerError(Exception):
    """There is nobody to talk to, or it refuses; the text says what to do."""


class _UnavailableError(Exception):
    """The server cannot answer for now."""


@dataclass(frozen=True)
class Connection:
    """Where the server is, and the key it asks for."""

    url: str
    key: str | None = None

    @classmethod
    def find(cls, url: str | None, key: str | None, data_dir: Path) -> Self:
        """The address given, else that of the `takeup up` of this data folder. Raises `NoServerError`."""
        if url:
            return cls(url.rstrip("/"), key)
        running = read_running(data_dir)
        if running is None:
            raise NoServerError(
                f"No Takeup runs in {data_dir}: start one with `takeup up`, or name one with --server or TAKEUP_URL."
            )
        return cls(running.url, key)


class TakeupClient:
    """The few calls of the API that the command line makes. Each raises `NoServerError` where it cannot."""

    def __init__(self, connection: Connection) -> None:
        headers = {"Authorization": f"Bearer {connection.key}"} if connection.key else {}
        self._http = httpx2.Client(base_url=f"{connection.url}/api/v1", headers=headers, timeout=_TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        return self._call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx2.HTTPError as error:
            raise NoServerError(f"Takeup does not answer ({error}).") from error
        if answer.is_error:
            raise NoServerError(_explain(answer))
        return answer.json()

    def store(
        self, urls: Sequence[str], project_id: str | None, max_height: int | None = None
    ) -> tuple[str, list[str]]:
        """Add a scene per link (to a new project if none is named), and ask for its storage; the ids."""
        project = project_id or self.post("/projects", {"title": "From the command line"})["id"]
        scenes = self.post(f"/projects/{project}/scenes/batch", {"urls": list(urls)})["items"]
        for scene in scenes:
            self.post("/media/store", {"project_id": project, "scene_id": scene["id"], "max_height": max_height})
        return project, [scene["id"] for scene in scenes]

    def watch(self, project_id: str, scene_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """These scenes as they change, until each has come to its end; a lost connection is taken up again."""
        waiting = set(scene_ids)
        while waiting:
            for scene in self._listen(project_id):
                if scene["id"] in waiting:
                    if scene.get("media") is None:
                        raise NoServerError("Somebody removed a scene, or its link, while it was being stored.")
                    yield scene
                    if scene["media"]["status"] in TERMINAL_STATES:
                        waiting.discard(scene["id"])
                if not waiting:
                    return
            time.sleep(_RECONNECT_SECONDS)

    def _listen(self, project_id: str) -> Iterator[dict[str, Any]]:
        """Scenes from one connection to the event stream, until it breaks."""
        try:
            with self._stream(f"/projects/{project_id}/events") as events:
                for event in events:
                    if event.event not in {"snapshot", "scene", "scene_deleted"}:
                        continue
                    data: Any = event.json()
                    if event.event == "snapshot":
                        yield from data["scenes"]
                    else:
                        yield data
        except (httpx2.TransportError, _UnavailableError):
            return

    @contextmanager
    def _stream(self, path: str) -> Iterator[httpx2.EventSource]:
        with self._http.stream("GET", path, timeout=httpx2.Timeout(_TIMEOUT_SECONDS, connect=3)) as answer:
            if answer.is_server_error:
                raise _UnavailableError
            if answer.is_error:
                answer.read()
                raise NoServerError(_explain(answer))
            yield httpx2.EventSource(answer)


def _explain(answer: httpx2.Response) -> str:
    try:
        problem = answer.json()
        return f"{problem['detail']} {problem['hint']} ({problem['code']})"
    except (ValueError, KeyError, TypeError):
        return f"Takeup answered with HTTP {answer.status_code}."

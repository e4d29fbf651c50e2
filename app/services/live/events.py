"""What an event stream says, as bytes: each event is made once, however many read it."""

from collections.abc import Iterable

from pydantic import BaseModel

from app.core.database import Document
from app.models.project import Project, ProjectWithScenes
from app.models.scene import Scene

_RECONNECT = b"retry: 1000\n"
"""How many milliseconds a browser waits before it connects again."""

COMMENT = b":\n\n"
"""Keeps the connection open through proxies that close silent ones."""


class _Deleted(BaseModel):
    id: str


def snapshot(project: Document, scenes: Iterable[Document]) -> bytes:
    """The project with all of its scenes, in order."""
    shown = [Scene.from_document(scene) for scene in scenes]
    return _RECONNECT + _event(
        "snapshot", ProjectWithScenes(**Project.from_document(project).model_dump(), scenes=shown)
    )


def project_changed(project: Document) -> bytes:
    """The project without its scenes."""
    return _event("project", Project.from_document(project))


def project_deleted(project_id: str) -> bytes:
    return _event("project_deleted", _Deleted(id=project_id))


def scene_changed(scene: Document) -> bytes:
    return _event("scene", Scene.from_document(scene))


def scene_deleted(scene_id: str) -> bytes:
    return _event("scene_deleted", _Deleted(id=scene_id))


def _event(name: str, data: BaseModel) -> bytes:
    # JSON has no line breaks of its own, so one `data` line holds it all.
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n".encode()

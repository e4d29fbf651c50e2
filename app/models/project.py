"""A project as the API shows it."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from app.models.scene import Scene


class Project(BaseModel):
    """A film in the making: a title and, read one by one, its scenes in order."""

    id: str
    title: str
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        return cls.model_validate({**document, "id": document["_id"]})


class ProjectWithScenes(Project):
    """A project and its scenes, in order."""

    scenes: list[Scene]

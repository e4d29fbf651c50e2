"""A scene as the API shows it."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from app.models.media import Media


class Scene(BaseModel):
    """One scene of a project. `position` sorts the scenes; `version` grows with every change."""

    id: str
    project_id: str
    position: str
    text: str
    version: int
    media: Media | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        media = document["media"]
        return cls.model_validate(
            {**document, "id": document["_id"], "media": Media.from_document(media) if media else None}
        )

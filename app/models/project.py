"""A project as the API shows it."""

from collections import Counter
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from app.models.media import Status
from app.models.scene import Scene

_STILLS = 4


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


class Still(BaseModel):
    """A poster, to be had at `/media/{scene_id}/content?variant=poster&generation={generation}`."""

    scene_id: str
    generation: int


class ProjectSummary(BaseModel):
    """What a project's scenes come to: how many there are, how many in each state (those with a link), and the posters
    of the first four that have one."""

    scenes: int
    by_status: dict[Status, int]
    stills: list[Still]

    @classmethod
    def of(cls, scenes: list[dict[str, Any]]) -> Self:
        """From the scenes' documents, in order."""
        media = [(scene["_id"], scene["media"]) for scene in scenes if scene["media"]]
        return cls(
            scenes=len(scenes),
            by_status=Counter(Status(each["status"]) for _, each in media),
            stills=[
                Still(scene_id=scene_id, generation=each["generation"])
                for scene_id, each in media
                if each.get("poster")
            ][:_STILLS],
        )

"""A project's scenes, live: a snapshot first, then each change, read from the documents themselves."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.deps import ClientsDep, ProjectId, WorkspaceDep
from app.core.database import Async, Document
from app.crud import crud_project, crud_scene
from app.models.project import Project, ProjectWithScenes
from app.models.scene import Scene

router = APIRouter(tags=["live"])

_LOOK_SECONDS = 0.5


async def _project(project_id: ProjectId, clients: ClientsDep, workspace: WorkspaceDep) -> Document:
    return await crud_project.get_project(clients.database, workspace, project_id)


@router.get("/projects/{project_id}/events", response_class=EventSourceResponse)
async def watch_project(
    project: Annotated[Document, Depends(_project)], clients: ClientsDep
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `snapshot` (the project with its scenes), then `scene` and `scene_deleted`."""
    scenes = await crud_scene.list_scenes(clients.database, project["_id"])
    yield _event("snapshot", _snapshot(project, scenes))
    known = {scene["_id"]: scene["version"] for scene in scenes}
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        async for event in _changes(clients.database, project["_id"], known):
            yield event


async def _changes(database: Async, project_id: str, known: dict[str, int]) -> AsyncIterator[ServerSentEvent]:
    """What differs from `known`, which is brought up to date."""
    versions = await crud_scene.list_versions(database, project_id)
    for scene_id in known.keys() - versions.keys():
        del known[scene_id]
        yield _event("scene_deleted", {"id": scene_id})
    changed = [scene_id for scene_id, version in versions.items() if known.get(scene_id) != version]
    for scene in await crud_scene.find_scenes(database, changed):
        known[scene["_id"]] = scene["version"]
        yield _event("scene", Scene.from_document(scene).model_dump(mode="json"))


def _snapshot(project: Document, scenes: list[Document]) -> dict[str, Any]:
    shown = [Scene.from_document(scene) for scene in scenes]
    return ProjectWithScenes(**Project.from_document(project).model_dump(), scenes=shown).model_dump(mode="json")


def _event(name: str, data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(event=name, data=data)

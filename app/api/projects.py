"""Projects: create, list, read with scenes, rename, delete."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.cursors import decode_cursor, encode_cursor
from app.api.deps import ClientsDep, IfMatch, ProjectId, WorkspaceDep
from app.core.database import Document
from app.crud import crud_project, crud_scene
from app.models.media import moment_of
from app.models.project import Project, ProjectSummary, ProjectWithScenes
from app.models.scene import Scene

router = APIRouter(prefix="/projects", tags=["projects"])

Title = Annotated[str, Field(min_length=1, max_length=200, examples=["Autumn in the harbour"])]


class ProjectIn(BaseModel):
    """What a project is made from."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    title: Title


class ProjectPage(BaseModel):
    """Projects, newest first; `next_cursor` is null on the last page."""

    items: list[Project]
    next_cursor: str | None


class Deletion(BaseModel):
    """That something is being deleted: gone for every reader; until `restorable_until` that can be undone."""

    id: str
    status: str = "deleting"
    restorable_until: datetime

    @classmethod
    def of(cls, deleted_id: str, deletion: Document) -> Self:
        return cls(id=deleted_id, restorable_until=moment_of(deletion["purge_ms"]))


@router.post("", status_code=201)
async def create_project(body: ProjectIn, clients: ClientsDep, workspace: WorkspaceDep) -> Project:
    """Create an empty project."""
    return Project.from_document(await crud_project.create_project(clients.database, workspace, body.title))


@router.get("")
async def list_projects(
    clients: ClientsDep,
    workspace: WorkspaceDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> ProjectPage:
    """List the projects, newest first."""
    before = decode_cursor(cursor) if cursor is not None else None
    found = await crud_project.list_projects(clients.database, workspace, limit + 1, before)
    items = [Project.from_document(document) for document in found[:limit]]
    return ProjectPage(items=items, next_cursor=encode_cursor(items[-1].id) if len(found) > limit else None)


@router.get("/{project_id}")
async def read_project(project_id: ProjectId, clients: ClientsDep, workspace: WorkspaceDep) -> ProjectWithScenes:
    """Read a project and its scenes, in order."""
    project = await crud_project.get_project(clients.database, workspace, project_id)
    scenes = await crud_scene.list_scenes(clients.database, project_id)
    return ProjectWithScenes(
        **Project.from_document(project).model_dump(), scenes=[Scene.from_document(scene) for scene in scenes]
    )


@router.get("/{project_id}/summary")
async def summarize_project(project_id: ProjectId, clients: ClientsDep, workspace: WorkspaceDep) -> ProjectSummary:
    """Count a project's scenes by state, and name its first posters: what a list of projects shows of each."""
    await crud_project.get_project(clients.database, workspace, project_id)
    return ProjectSummary.of(await crud_scene.list_media(clients.database, project_id))


@router.patch("/{project_id}")
async def rename_project(
    project_id: ProjectId, body: ProjectIn, clients: ClientsDep, workspace: WorkspaceDep, unchanged_since: IfMatch
) -> Project:
    """Rename a project; with its `version` in `If-Match` only where nobody else has renamed it since."""
    renamed = await crud_project.rename_project(clients.database, workspace, project_id, body.title, unchanged_since)
    clients.announcer.changed(project_id)
    return Project.from_document(renamed)


@router.delete("/{project_id}", status_code=202)
async def delete_project(project_id: ProjectId, clients: ClientsDep, workspace: WorkspaceDep) -> Deletion:
    """Delete a project with its scenes and their files; deleting it again changes nothing."""
    deletion = await crud_project.mark_project_deleted(clients.database, clients.settings, workspace, project_id)
    clients.announcer.changed(project_id)
    return Deletion.of(project_id, deletion)


@router.post("/{project_id}/restore")
async def restore_project(project_id: ProjectId, clients: ClientsDep, workspace: WorkspaceDep) -> ProjectWithScenes:
    """Undo a deletion while that can be done, with the scenes that went along; what was on its way starts over."""
    queued = await crud_project.restore_project(clients.database, clients.settings, workspace, project_id)
    clients.announcer.changed(project_id)
    for scene in queued:
        clients.bell.store(scene["_id"], scene["media"]["generation"])
    return await read_project(project_id, clients, workspace)

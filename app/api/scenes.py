"""Scenes: add one or many, read, edit, move, delete."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import ClientsDep, Id, IfMatch, Link, ProjectId, SceneId, WorkspaceDep
from app.api.projects import Deletion
from app.crud import crud_deletion, crud_edit, crud_order, crud_project, crud_scene
from app.models.scene import Scene

router = APIRouter(tags=["scenes"])

Text = Annotated[str, Field(max_length=20_000, examples=["The boats come in."])]


class SceneIn(BaseModel):
    """What a scene is made from; without `after` it goes to the end, with null to the beginning."""

    model_config = ConfigDict(extra="forbid")

    text: Text = ""
    source_url: Link | None = None
    after: Id | None = None


class SceneBatch(BaseModel):
    """Links, one scene each, in this order."""

    model_config = ConfigDict(extra="forbid")

    urls: Annotated[list[Link], Field(min_length=1, max_length=500)]


class SceneList(BaseModel):
    """The scenes that were made, in order."""

    items: list[Scene]


class SceneEdit(BaseModel):
    """What to change; what is not named stays. A new link replaces the stored media."""

    model_config = ConfigDict(extra="forbid")

    text: Text | None = None
    source_url: Link | None = None
    after: Id | None = None


@router.post("/projects/{project_id}/scenes", status_code=201)
async def create_scene(project_id: ProjectId, body: SceneIn, clients: ClientsDep, workspace: WorkspaceDep) -> Scene:
    """Add a scene; its link is stored when `POST /media/store` asks for it."""
    await crud_project.get_project(clients.database, workspace, project_id)
    [scene] = await crud_order.create_scenes(
        clients.database,
        workspace,
        project_id,
        [(body.text, body.source_url)],
        settings=clients.settings,
        after=body.after,
        at_end="after" not in body.model_fields_set,
    )
    clients.announcer.changed(project_id, scene["_id"])
    return Scene.from_document(scene)


@router.post("/projects/{project_id}/scenes/batch", status_code=201)
async def create_scenes(
    project_id: ProjectId, body: SceneBatch, clients: ClientsDep, workspace: WorkspaceDep
) -> SceneList:
    """Add up to 500 links at the end, one scene each."""
    await crud_project.get_project(clients.database, workspace, project_id)
    scenes = await crud_order.create_scenes(
        clients.database,
        workspace,
        project_id,
        [("", url) for url in body.urls],
        settings=clients.settings,
    )
    clients.announcer.changed(project_id, *(scene["_id"] for scene in scenes))
    return SceneList(items=[Scene.from_document(scene) for scene in scenes])


@router.get("/scenes/{scene_id}")
async def read_scene(scene_id: SceneId, clients: ClientsDep, workspace: WorkspaceDep) -> Scene:
    """Read a scene."""
    return Scene.from_document(await crud_scene.get_scene(clients.database, workspace, scene_id))


@router.patch("/scenes/{scene_id}")
async def edit_scene(
    scene_id: SceneId, body: SceneEdit, clients: ClientsDep, workspace: WorkspaceDep, unchanged_since: IfMatch
) -> Scene:
    """Change the text, the link, or the place of a scene, all or nothing.

    With the `version` that you have read in `If-Match`, the change is refused (412) where somebody else has edited the
    scene since; the progress of its download is in nobody's way.
    """
    scene, relinked = await crud_edit.edit_scene(
        clients.database,
        clients.settings,
        workspace,
        scene_id,
        body.model_dump(exclude_unset=True),
        unchanged_since=unchanged_since,
    )
    clients.announcer.changed(scene["project_id"], scene_id)
    if relinked:
        clients.bell.sweep(scene_id)
    return Scene.from_document(scene)


@router.delete("/scenes/{scene_id}", status_code=202)
async def delete_scene(scene_id: SceneId, clients: ClientsDep, workspace: WorkspaceDep) -> Deletion:
    """Delete a scene with its files; deleting it again changes nothing."""
    scene = await crud_deletion.mark_deleted(clients.database, clients.settings, workspace, scene_id)
    clients.announcer.changed(scene["project_id"], scene_id)
    return Deletion.of(scene_id, scene["deletion"])


@router.post("/scenes/{scene_id}/restore")
async def restore_scene(scene_id: SceneId, clients: ClientsDep, workspace: WorkspaceDep) -> Scene:
    """Undo a deletion while that can be done; what was on its way starts over."""
    scene, queued = await crud_deletion.restore_scene(clients.database, clients.settings, workspace, scene_id)
    clients.announcer.changed(scene["project_id"], scene_id)
    if queued:
        clients.bell.store(scene_id, scene["media"]["generation"])
    return Scene.from_document(scene)

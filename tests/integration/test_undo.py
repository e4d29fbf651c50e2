"""Deleting and taking it back, and two people at once: nothing is lost, and each hears what became of it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.database import Document
from app.demo.origin import Origin
from tests.integration.test_faults import SLOW
from tests.servers import wait_for
from tests.stack import RunningStack


def test_a_deleted_scene_comes_back_with_its_files(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("photo.jpg"))
    stack.wait(scene, "ready")
    body = stack.content(scene)
    told = stack.http.delete(f"/scenes/{scene['id']}").raise_for_status().json()
    assert told["restorable_until"] > scene["created_at"]
    assert stack.http.get(f"/scenes/{scene['id']}").status_code == 404
    restored = stack.http.post(f"/scenes/{scene['id']}/restore").raise_for_status().json()
    assert restored["media"]["status"] == "ready"
    assert stack.http.post(f"/scenes/{scene['id']}/restore").status_code == 200
    assert stack.content(scene) == body


def test_a_download_that_was_deleted_starts_over_when_it_is_restored(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=SLOW))
    stack.wait_bytes(scene)
    stack.http.delete(f"/scenes/{scene['id']}").raise_for_status()
    restored = stack.http.post(f"/scenes/{scene['id']}/restore").raise_for_status().json()
    assert restored["media"]["generation"] == 2
    assert stack.wait_ended(scene)["status"] == "ready"
    wait_for(lambda: stack.stored(scene) == ["2/original.mp4", "2/poster.webp"], 10, "the files of the new run alone")


def test_after_its_time_a_deletion_is_final(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("photo.jpg"))
    stack.wait(scene, "ready")
    stack.http.delete(f"/scenes/{scene['id']}").raise_for_status()
    wait_for(lambda: stack.document(scene) is None, 20, "the document is removed")
    assert stack.stored(scene) == []
    assert stack.http.post(f"/scenes/{scene['id']}/restore").json()["code"] == "scene.not_found"


def test_a_deleted_project_of_a_thousand_scenes_comes_back_whole_or_goes_whole(
    stack: RunningStack, origin: Origin
) -> None:
    project = stack.http.post("/projects", json={"title": "A thousand"}).raise_for_status().json()["id"]
    links = [origin.url("photo.jpg", copy=n) for n in range(1000)]
    for start in (0, 500):
        body = {"urls": links[start : start + 500]}
        stack.http.post(f"/projects/{project}/scenes/batch", json=body).raise_for_status()
    stack.http.delete(f"/projects/{project}").raise_for_status()
    assert stack.http.get(f"/projects/{project}").status_code == 404
    restored = stack.http.post(f"/projects/{project}/restore").raise_for_status().json()
    assert len(restored["scenes"]) == 1000
    stack.http.delete(f"/projects/{project}").raise_for_status()
    wait_for(lambda: stack.database["projects"].find_one({"_id": project}) is None, 90, "the project is removed")
    assert stack.database["scenes"].count_documents({"project_id": project}) == 0


def test_of_two_edits_of_one_version_the_second_is_refused(stack: RunningStack, origin: Origin) -> None:
    scene = stack.store(origin.url("photo.jpg"))
    stack.wait(scene, "ready")
    read = {"If-Match": f'"{scene["version"]}"'}
    address = f"/scenes/{scene['id']}"
    first = stack.http.patch(address, json={"text": "mine"}, headers=read)
    assert first.status_code == 200, "that it was stored meanwhile is nobody's edit"
    second = stack.http.patch(address, json={"text": "theirs"}, headers=read)
    assert (second.status_code, second.json()["code"]) == (412, "request.edit_conflict")
    again = stack.http.patch(address, json={"text": "theirs"}, headers={"If-Match": f'"{first.json()["version"]}"'})
    assert again.json()["text"] == "theirs"
    refused = stack.http.patch(address, json={"text": "x"}, headers={"If-Match": "yesterday's"})
    assert (refused.status_code, refused.json()["code"]) == (422, "request.invalid_version")


@pytest.mark.parametrize(
    "doings",
    [
        ("cancel", "retry"),
        ("store", "cancel"),
        ("delete", "restore"),
        ("retry", "delete"),
        ("store", "relink"),
        ("delete", "cancel"),
    ],
    ids="-".join,
)
def test_two_people_who_want_opposite_things_each_get_an_answer_and_one_outcome(
    stack: RunningStack, origin: Origin, doings: tuple[str, str]
) -> None:
    scene = stack.store(origin.url("clip.mp4", rate=SLOW))
    stack.wait_bytes(scene)

    def do(name: str) -> int:
        match name:
            case "delete":
                return stack.http.delete(f"/scenes/{scene['id']}").status_code
            case "restore":
                return stack.http.post(f"/scenes/{scene['id']}/restore").status_code
            case "relink":
                body = {"source_url": origin.url("tail.mp4")}
                return stack.http.patch(f"/scenes/{scene['id']}", json=body).status_code
            case "store":
                return stack.request(scene, force=True).status_code
            case _:
                return stack.http.post(f"/media/{scene['id']}/{name}").status_code

    with ThreadPoolExecutor(2) as people:
        answers = list(people.map(do, doings * 5))
    assert set(answers) <= {200, 202, 404, 409}
    wait_for(lambda: _settled(stack, scene), 40, f"an outcome, not {stack.document(scene)}")


def _settled(stack: RunningStack, scene: Document) -> bool:
    """Gone for good with all its files, or ended, owning what lies there."""
    document = stack.document(scene)
    if document is None:
        return stack.stored(scene) == []
    media = document["media"]
    if document["deletion"] or media["status"] not in {"ready", "canceled"}:
        return False
    generation = media["generation"]
    owned = [f"{generation}/original.mp4", f"{generation}/poster.webp"] if media["status"] == "ready" else []
    return stack.stored(scene) == owned and stack.uploads(scene) == []

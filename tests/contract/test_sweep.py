"""What a scene owns in the bucket in each of its states, and that the rest is removed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.core.config import Settings
from app.core.database import Async, Sync, server_now_sync
from app.core.media_errors import StorageUnavailableError
from app.crud import crud_edit
from app.models.media import ACTIVE, Status, milliseconds
from app.services import sweep
from app.services.storage.bucket import Bucket, OpenUpload
from tests.contract.conftest import WORKSPACE, Place, deletion_of, insert_scene, lease, read_scene

GENERATION = 2
OBJECTS = tuple(f"{n}/{name}" for n in (1, 2, 3) for name in ("original.mp4", "poster.webp", "stray.tmp"))
UPLOADS = tuple(f"upload {n}" for n in (1, 2, 3))
LATER = {*OBJECTS[6:], "upload 3"}
"""A later generation than the document knows is somebody else's to judge."""


def fill(bucket: Bucket, place: Place) -> None:
    """Objects and an open upload in each of three generations."""
    for name in OBJECTS:
        bucket.put(place.prefix + name, b"x", "video/mp4")
    for generation in (1, 2, 3):
        bucket.client.create_multipart_upload(Bucket=bucket.name, Key=place.key(generation))


def left(bucket: Bucket, place: Place) -> set[str]:
    objects = {key.removeprefix(place.prefix) for key in bucket.keys(place.prefix)}
    return objects | {
        f"upload {upload.key.removeprefix(place.prefix)[0]}" for upload in bucket.open_uploads(place.prefix)
    }


def swept(database: Sync, bucket: Bucket, place: Place) -> set[str]:
    """What is left after a sweep; a second one must find nothing more to do."""
    before = left(bucket, place)
    count = sweep.sweep_scene(database, bucket, place.project_id, place.scene_id)
    after = left(bucket, place)
    assert count == len(before) - len(after)
    assert sweep.sweep_scene(database, bucket, place.project_id, place.scene_id) == 0
    return after


def stored(place: Place, generation: int = GENERATION) -> dict[str, Any]:
    return {
        "original": {"key": place.key(generation)},
        "poster": {"key": place.key(generation, "poster.webp"), "width": 1, "height": 1},
    }


async def relink(database: Async, settings: Settings, place: Place, link: str | None) -> None:
    await crud_edit.edit_scene(database, settings, WORKSPACE, place.scene_id, {"source_url": link})


def test_ready_scene_owns_its_files_and_no_upload(database: Sync, bucket: Bucket, place: Place) -> None:
    insert_scene(database, Status.READY, place, generation=GENERATION, **stored(place))
    fill(bucket, place)
    assert swept(database, bucket, place) == {"2/original.mp4", "2/poster.webp", *LATER}


def test_ready_scene_without_poster_owns_its_original_alone(database: Sync, bucket: Bucket, place: Place) -> None:
    insert_scene(database, Status.READY, place, generation=GENERATION, **{**stored(place), "poster": None})
    fill(bucket, place)
    assert swept(database, bucket, place) == {"2/original.mp4", *LATER}


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RETRYING, *sorted(ACTIVE)])
def test_scene_on_its_way_owns_all_of_its_generation(
    database: Sync, bucket: Bucket, place: Place, status: Status
) -> None:
    insert_scene(database, status, place, generation=GENERATION)
    fill(bucket, place)
    assert swept(database, bucket, place) == {*OBJECTS[3:6], "upload 2", *LATER}


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELED, Status.PENDING])
def test_scene_that_stores_nothing_owns_nothing(database: Sync, bucket: Bucket, place: Place, status: Status) -> None:
    insert_scene(database, status, place, generation=GENERATION)
    fill(bucket, place)
    assert swept(database, bucket, place) == LATER


@pytest.mark.anyio
async def test_new_link_takes_the_files_of_the_old_one_away(
    async_database: Async, database: Sync, bucket: Bucket, place: Place, settings: Settings
) -> None:
    insert_scene(database, Status.READY, place, generation=1, **stored(place, 1))
    fill(bucket, place)
    await relink(async_database, settings, place, "https://example.com/b")
    assert read_scene(database, place.scene_id)["media"]["status"] == Status.PENDING
    assert swept(database, bucket, place) == LATER


@pytest.mark.anyio
async def test_removed_link_takes_all_files_away(
    async_database: Async, database: Sync, bucket: Bucket, place: Place, settings: Settings
) -> None:
    insert_scene(database, Status.READY, place, generation=GENERATION, **stored(place))
    fill(bucket, place)
    await relink(async_database, settings, place, None)
    assert read_scene(database, place.scene_id)["media"] is None
    assert swept(database, bucket, place) == LATER


def test_scene_that_never_had_media_owns_nothing(database: Sync, bucket: Bucket, place: Place) -> None:
    insert_scene(database, None, place)
    bucket.put(place.prefix + "0/stray.tmp", b"x", "video/mp4")
    assert swept(database, bucket, place) == set()


@pytest.mark.parametrize("status", [Status.READY, Status.DOWNLOADING, None])
def test_scene_that_was_deleted_for_good_owns_nothing_of_any_generation(
    database: Sync, bucket: Bucket, place: Place, status: Status | None
) -> None:
    insert_scene(database, status, place, **(stored(place) if status else {}))
    mark(database, place, seconds=-1, final=True)
    fill(bucket, place)
    assert swept(database, bucket, place) == set()


@pytest.mark.parametrize("seconds", [60, -60])
def test_deleted_scene_owns_what_it_owned_until_that_is_final(
    database: Sync, bucket: Bucket, place: Place, seconds: float
) -> None:
    insert_scene(database, Status.READY, place, generation=GENERATION, **stored(place))
    mark(database, place, seconds=seconds)
    fill(bucket, place)
    assert swept(database, bucket, place) == {"2/original.mp4", "2/poster.webp", *LATER}


def mark(database: Sync, place: Place, *, seconds: float, final: bool = False) -> None:
    """Delete the scene, to be undone for so many seconds more."""
    deletion = deletion_of(server_now_sync(database), seconds, final=final)
    database["scenes"].update_one({"_id": place.scene_id}, {"$set": {"deletion": deletion}})


def test_scene_that_is_gone_owns_nothing(database: Sync, bucket: Bucket, place: Place) -> None:
    fill(bucket, place)
    assert swept(database, bucket, place) == set()


def test_sweep_keeps_to_its_own_scene(database: Sync, bucket: Bucket, place: Place) -> None:
    neighbour = f"{place.prefix[:-1]}0/1/original.mp4"
    bucket.put(neighbour, b"x", "video/mp4")
    fill(bucket, place)
    assert swept(database, bucket, place) == set()
    assert bucket.head(neighbour) is not None
    bucket.delete([neighbour])


def test_deletion_empties_the_prefix_and_removes_the_scene_last(database: Sync, bucket: Bucket, place: Place) -> None:
    scene = insert_scene(database, Status.READY, place, deleted=True, **stored(place))
    fill(bucket, place)
    assert sweep.finish_deletion(database, bucket, scene, server_now_sync(database))
    assert left(bucket, place) == set()
    assert database["scenes"].count_documents({"_id": place.scene_id}) == 0
    sweep.sweep_once(database, bucket, place.scene_id)


def test_scenes_files_are_kept_while_its_deletion_can_be_undone_and_gone_after(
    database: Sync, bucket: Bucket, place: Place
) -> None:
    insert_scene(database, Status.READY, place, generation=GENERATION, **stored(place))
    fill(bucket, place)
    mark(database, place, seconds=60)
    sweep.sweep_once(database, bucket, place.scene_id)
    sweep.clean_up(database, bucket)
    assert left(bucket, place) == {"2/original.mp4", "2/poster.webp", *LATER}
    mark(database, place, seconds=-1)
    sweep.clean_up(database, bucket)
    assert left(bucket, place) == set()
    assert database["scenes"].count_documents({"_id": place.scene_id}) == 0


def test_deletion_waits_for_a_worker_that_may_still_write(database: Sync, bucket: Bucket, place: Place) -> None:
    now = server_now_sync(database)
    scene = insert_scene(database, Status.DOWNLOADING, place, deleted=True, lease=lease(now, 30))
    fill(bucket, place)
    assert not sweep.finish_deletion(database, bucket, scene, now)
    assert left(bucket, place) == set()
    bucket.put(place.key(1), b"x", "video/mp4")
    assert sweep.finish_deletion(database, bucket, scene, now + timedelta(seconds=301))
    assert left(bucket, place) == set()
    assert database["scenes"].count_documents({"_id": place.scene_id}) == 0


def test_deletion_waits_for_a_sweep_that_is_noted(database: Sync, bucket: Bucket, place: Place) -> None:
    """A canceled scene has no lease any more, but its worker may still have a write under way."""
    now = server_now_sync(database)
    scene = insert_scene(database, Status.CANCELED, place, deleted=True)
    scene["sweep"] = {"at_ms": milliseconds(now, 30)}
    assert not sweep.finish_deletion(database, bucket, scene, now)
    assert sweep.finish_deletion(database, bucket, scene, now + timedelta(seconds=31))


def test_one_scene_that_cannot_be_cleaned_holds_up_no_other(
    database: Sync, bucket: Bucket, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Place(str(uuid4()), str(uuid4()))
    stuck, free = (insert_scene(database, Status.READY, where, deleted=True) for where in (place, other))
    for where in (place, other):
        fill(bucket, where)
    plain = Bucket.delete

    def refuse(self: Bucket, keys: list[str]) -> None:
        if any(stuck["_id"] in key for key in keys):
            raise StorageUnavailableError
        plain(self, keys)

    monkeypatch.setattr(Bucket, "delete", refuse)
    sweep.clean_up(database, bucket)
    assert database["scenes"].count_documents({"_id": free["_id"]}) == 0
    assert database["scenes"].count_documents({"_id": stuck["_id"]}) == 1


def test_young_upload_that_no_scene_owns_is_left_alone(database: Sync, bucket: Bucket, place: Place) -> None:
    bucket.client.create_multipart_upload(Bucket=bucket.name, Key=place.key(1))
    sweep.abort_unowned_uploads(database, bucket)
    assert left(bucket, place) == {"upload 1"}


def test_old_upload_is_aborted_unless_its_scene_owns_it(
    database: Sync, bucket: Bucket, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnePlace(Bucket):
        """In a bucket that others share, what is shown of it is this scene's alone."""

        def open_uploads(self, prefix: str) -> Iterator[OpenUpload]:
            assert place.prefix.startswith(prefix)
            return super().open_uploads(place.prefix)

    bucket = OnePlace(bucket.client, bucket.name)
    monkeypatch.setattr(sweep, "_UPLOAD_AGE", timedelta(seconds=-60))
    insert_scene(database, Status.DOWNLOADING, place, generation=GENERATION)
    for generation in (1, 2, 3):
        bucket.client.create_multipart_upload(Bucket=bucket.name, Key=place.key(generation))
    assert sweep.abort_unowned_uploads(database, bucket) == 1
    assert left(bucket, place) == {"upload 2", "upload 3"}
    database["scenes"].delete_one({"_id": place.scene_id})
    assert sweep.abort_unowned_uploads(database, bucket) == 2

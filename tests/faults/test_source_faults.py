"""Sources and workers that break off in the middle of a file: it is gone on with, and never mixed with another."""

import random
from functools import partial
from pathlib import Path

import pytest

from app.core.database import Document
from app.demo.origin import Origin
from app.services.storage.multipart import PART_BYTES
from tests.faults.conftest import Begin
from tests.faults.sources import LARGE, film
from tests.faults.test_workers import holder
from tests.servers import wait_for
from tests.stack import RunningStack

FILM = "film.mp4"
FILM_BYTES = 60 << 20
FILM_RATE = 5_000_000
"""Bytes a second over each connection: three seconds or more in all."""
IN_MEMORY = 4
"""Parts that a download holds at most: what it may have to fetch again."""
CHANGING_RATE = 10_000_000


@pytest.mark.experiment(2, "worker killed in the middle of a file", quick=1, long=20, unit="kills")
def test_killed_worker_resumes_from_stored_parts(stack: RunningStack, origin: Origin, begin: Begin) -> None:
    """Experiment 2."""
    run = begin(stack)
    if not (origin.folder / FILM).exists():
        (origin.folder / FILM).write_bytes(film(origin.folder, FILM_BYTES, FILM))
    for number in range(run.rounds):
        before = origin.bytes_sent.get(FILM, 0)
        scene = run.store(FILM, rate=FILM_RATE, copy=number)
        enough = random.randint(1, 4)
        wait_for(partial(_has_parts, stack, scene, enough), 60, f"{enough} parts are stored")
        holder(stack, scene).kill()
        run.struck([scene])
        media = stack.wait_ended(scene)
        assert [attempt["outcome"] for attempt in media["attempts"]] == ["crashed", "ready"]
        assert media["attempts"][1]["resumed_bytes"] >= enough * PART_BYTES
        again = origin.bytes_sent[FILM] - before - FILM_BYTES
        assert again <= IN_MEMORY * PART_BYTES, f"{again} bytes were fetched again"
    run.assert_holds()


def _has_parts(stack: RunningStack, scene: Document, count: int) -> bool:
    upload = (stack.document(scene) or {})["media"]["upload"]
    return bool(upload) and len(list(stack.bucket.parts(upload["key"], upload["upload_id"]))) >= count


@pytest.mark.experiment(20, "the source cuts at random bytes", quick=4, long=100, unit="files")
def test_source_that_cuts_again_and_again_is_read_to_its_end(stack: RunningStack, origin: Origin, begin: Begin) -> None:
    """Experiment 20."""
    run = begin(stack)
    scenes = []
    for number in range(run.rounds):
        name, least = (LARGE, 400_000) if number % 2 else ("clip.mp4", 40_000)
        scenes.append(run.store(name, truncate=random.randint(least, 20 * least), copy=number))
    before = origin.requests.get(LARGE, 0)
    figures = run.assert_holds(end_seconds=600)
    assert figures.ready == figures.accepted
    assert origin.requests[LARGE] - before > run.rounds / 2
    assert {len(stack.media(scene)["attempts"]) for scene in scenes} == {1}


@pytest.mark.experiment(21, "the file changes while it is fetched", quick=1, long=10, unit="changes")
def test_file_that_changes_is_fetched_anew_and_never_mixed(stack: RunningStack, origin: Origin, begin: Begin) -> None:
    """Experiment 21, first half."""
    run = begin(stack)
    for number in range(run.rounds):
        name = f"changing-{number}.mp4"
        before, after = made(origin, name, "before"), made(origin, name, "after")
        before.replace(origin.folder / name)
        scene = run.store(name, rate=CHANGING_RATE)
        stack.wait_bytes(scene, random.randint(1, FILM_BYTES // 8))
        after.replace(origin.folder / name)
        run.struck()
        media = stack.wait_ended(scene)
        assert [attempt["code"] for attempt in media["attempts"]] == ["fetch.source_changed", None]
        assert media["attempts"][1]["resumed_bytes"] == 0
    figures = run.assert_holds()
    assert figures.ready == figures.accepted


def made(origin: Origin, name: str, version: str) -> Path:
    """A version of a file, beside where the origin serves it from: put there at once, it comes in time."""
    file = origin.folder / f"{name}.{version}"
    file.write_bytes(film(origin.folder, FILM_BYTES, name + version))
    return file


@pytest.mark.experiment(21, "the source ignores ranges, and cuts once", quick=1, long=10, unit="files")
def test_source_that_ignores_ranges_begins_anew(stack: RunningStack, origin: Origin, begin: Begin) -> None:
    """Experiment 21, second half: what was stored cannot be gone on with."""
    run = begin(stack)
    for number in range(run.rounds):
        scene = run.store(LARGE, rate=FILM_RATE, noranges=1, copy=number)
        wait_for(partial(_has_parts, stack, scene, 1), 60, "a part is stored")
        holder(stack, scene).kill()
        run.struck([scene])
        media = stack.wait_ended(scene)
        assert [attempt["outcome"] for attempt in media["attempts"]] == ["crashed", "ready"]
        assert media["attempts"][1]["resumed_bytes"] == 0
    figures = run.assert_holds()
    assert figures.ready == figures.accepted

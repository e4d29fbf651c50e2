"""A file that was found on a page, gone on with by the next attempt: at the address that the page gives by then."""

from pathlib import Path
from threading import Thread

import pytest

from app.demo.origin import Origin
from app.models.media import Status
from app.services.storage.multipart import PART_BYTES
from app.services.sweep import sweep_disk
from tests.contract.taken_in import TakenIn, interrupt
from tests.faults.sources import LARGE, LARGE_BYTES
from tests.servers import wait_for

SLOW = 4_000_000
"""Bytes a second over each connection."""


def page_with(taken: TakenIn, origin: Origin, video: str) -> str:
    """The link of a page that embeds this video."""
    page = f'<html><title>a boat</title><video src="{video}"></video></html>'
    (taken.folder / "watch-large.html").write_text(page)
    return origin.url("watch-large.html")


def test_file_behind_a_page_is_gone_on_with_at_the_address_that_the_page_gives_now(
    taken: TakenIn, origin: Origin
) -> None:
    taken.insert(page_with(taken, origin, origin.url(LARGE, copy=2)))
    taken.leave_upload((1, 3), extracted=True)
    media = taken.run()
    taken.assert_whole(media)
    saved = media["attempts"][0]["resumed_bytes"]
    assert saved == PART_BYTES + LARGE_BYTES % PART_BYTES
    assert origin.bytes_sent[LARGE] == LARGE_BYTES - saved


def stalling_playlist(taken: TakenIn) -> str:
    """A playlist whose last segment never comes."""
    text = (taken.folder / "hls/media.m3u8").read_text()
    (taken.folder / "hls/stalling.m3u8").write_text(text.replace("segment2.ts", "segment2.ts?stall_after=0"))
    return "hls/stalling.m3u8"


def interrupt_in_the_middle(taken: TakenIn, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an attempt that was handed over when two fragments of three were there."""
    scratch = taken.intake.settings.scratch_dir
    interrupt(taken, monkeypatch, lambda: len(list(scratch.glob("job-*/*-Frag[0-9]"))) == 2)
    [folder] = scratch.iterdir()
    return folder


@pytest.mark.parametrize("now", ["clip.mp4", "hls/master.m3u8"])
def test_page_that_leads_to_something_else_by_now_starts_a_new_upload(taken: TakenIn, origin: Origin, now: str) -> None:
    taken.insert(page_with(taken, origin, origin.url(now)))
    taken.leave_upload((1, 2), extracted=True)
    media = taken.run()
    assert (media["status"], media["attempts"][0]["resumed_bytes"]) == (Status.READY, 0)
    assert media["original"]["bytes"] < LARGE_BYTES
    assert taken.uploads() == []


def test_pieces_that_came_are_gone_on_with_on_the_same_machine(
    taken: TakenIn, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken.insert(origin.url(stalling_playlist(taken)))
    folder = interrupt_in_the_middle(taken, monkeypatch)
    sizes = sum(file.stat().st_size for file in folder.glob("*-Frag[0-9]"))
    (taken.folder / "hls/stalling.m3u8").write_text((taken.folder / "hls/media.m3u8").read_text())
    media = taken.run()
    assert (media["status"], media["attempts"][-1]["resumed_bytes"]) == (Status.READY, sizes)
    assert [origin.requests[f"hls/segment{number}.ts"] for number in range(3)] == [1, 1, 2]
    assert list(folder.parent.iterdir()) == []


def test_pieces_of_a_scene_that_was_canceled_meanwhile_go(
    taken: TakenIn, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken.insert(origin.url(stalling_playlist(taken)))
    folder = interrupt_in_the_middle(taken, monkeypatch)
    database, scratch = taken.intake.database, taken.intake.settings.scratch_dir
    sweep_disk(database, scratch)
    assert folder.exists()
    database["scenes"].update_one({"_id": taken.place.scene_id}, {"$set": {"media.status": Status.CANCELED}})
    sweep_disk(database, scratch)
    assert list(scratch.iterdir()) == []


def test_address_of_a_page_that_expires_on_the_way_is_looked_up_anew(taken: TakenIn, origin: Origin) -> None:
    with Origin(taken.folder) as first:
        taken.insert(page_with(taken, origin, first.url(LARGE, rate=SLOW)))
        attempt = Thread(target=taken.run)
        attempt.start()
        wait_for(taken.parts, 30, "a part is stored")
    attempt.join(30)
    saved = sum(taken.parts().values())
    assert taken.media["status"] == Status.RETRYING
    page_with(taken, origin, origin.url(LARGE))
    media = taken.run()
    taken.assert_whole(media)
    assert media["attempts"][-1]["resumed_bytes"] == saved > 0
    assert origin.bytes_sent[LARGE] == LARGE_BYTES - saved

"""Who may count on which bytes of the scratch disk."""

from contextlib import suppress
from pathlib import Path
from shutil import disk_usage

import pytest

from app.services.fetch.scratch import NoRoomYetError, claim_space, job_folder

MARGIN = 256 << 20
"""What others on this machine may write meanwhile."""


def test_space_that_another_job_has_claimed_is_not_given_twice(tmp_path: Path) -> None:
    with job_folder(tmp_path) as first, job_folder(tmp_path) as second:
        most = disk_usage(tmp_path).free - MARGIN
        claim_space(first, most, 0)
        with pytest.raises(NoRoomYetError):
            claim_space(second, 2 * MARGIN, 0)
    with job_folder(tmp_path) as third:
        claim_space(third, 2 * MARGIN, 0)


def test_what_a_job_has_used_of_its_claim_is_counted_once(tmp_path: Path) -> None:
    with job_folder(tmp_path) as first, job_folder(tmp_path) as second:
        claim_space(first, disk_usage(tmp_path).free - MARGIN, 0)
        with (first / "media.part").open("wb") as file:
            file.truncate(disk_usage(tmp_path).free)  # takes no space, and looks as if the claim were used up
        claim_space(second, 2 * MARGIN, 0)


def test_what_must_stay_free_is_claimed_by_nobody(tmp_path: Path) -> None:
    with job_folder(tmp_path) as folder, pytest.raises(NoRoomYetError):
        claim_space(folder, 0, 1 << 60)


def test_what_the_job_itself_has_used_is_not_claimed_again(tmp_path: Path) -> None:
    with job_folder(tmp_path) as folder:
        with (folder / "media.part").open("wb") as file:
            file.truncate(1 << 43)  # takes no space
        claim_space(folder, (1 << 43) + 1, 0)


def test_what_was_left_for_a_later_attempt_makes_room(tmp_path: Path) -> None:
    for name in ("job-older.1", "job-newer.1"):
        (tmp_path / name).mkdir()
    with job_folder(tmp_path) as folder, job_folder(tmp_path, "at-work.1") as other:
        with pytest.raises(NoRoomYetError):
            claim_space(folder, 1 << 60, 0)
        assert sorted(tmp_path.iterdir()) == sorted([folder, other])


def test_folder_is_left_for_a_job_of_the_same_name_unless_room_is_missing(tmp_path: Path) -> None:
    with suppress(ValueError), job_folder(tmp_path, "a.1") as folder:
        (folder / "piece").touch()
        raise ValueError
    with suppress(NoRoomYetError), job_folder(tmp_path, "a.1") as again:
        assert [file.name for file in again.iterdir()] == ["piece"]
        raise NoRoomYetError
    assert list(tmp_path.iterdir()) == []


def test_claim_of_a_folder_whose_process_is_gone_holds_nobody_back(tmp_path: Path) -> None:
    gone = tmp_path / "job-gone"
    gone.mkdir()
    (gone / ".claim").write_text(str(1 << 60))
    with job_folder(tmp_path) as folder:
        claim_space(folder, 0, 0)

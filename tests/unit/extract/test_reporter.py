"""What the extraction child tells of itself."""

from io import StringIO
from pathlib import Path
from time import sleep

import pytest

from app.services.fetch import extractor
from tests.servers import wait_for


def test_piece_that_is_renamed_under_the_look_does_not_end_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extractor, "_GROWTH_SECONDS", 0.01)
    told, renamed = StringIO(), tmp_path / "piece.part"
    renamed.symlink_to(tmp_path / "gone")
    with extractor._Reporter(told).growing(tmp_path):
        sleep(0.1)
        assert told.getvalue() == ""
        renamed.unlink()
        (tmp_path / "piece").write_bytes(b"piece")
        wait_for(lambda: "growing" in told.getvalue(), 5, "the folder's growth is told")

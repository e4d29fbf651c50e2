"""What the extraction child tells of itself."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path, PosixPath

import pytest

from app.services.fetch import extractor
from tests.servers import wait_for


class Watched(PosixPath):
    """A folder that counts how often somebody looks into it."""

    looks = 0

    def iterdir(self) -> Iterator[Path]:  # type: ignore[override]
        self.looks += 1
        return super().iterdir()


def test_piece_that_is_renamed_under_the_look_does_not_end_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extractor, "_GROWTH_SECONDS", 0.01)
    told, folder, renamed = StringIO(), Watched(tmp_path), tmp_path / "piece.part"
    renamed.symlink_to(tmp_path / "gone")
    with extractor._Reporter(told).growing(folder):
        wait_for(lambda: folder.looks > 2, 5, "it looks again, whatever it met")
        assert told.getvalue() == ""
        renamed.unlink()
        (tmp_path / "piece").write_bytes(b"piece")
        wait_for(lambda: "growing" in told.getvalue(), 5, "the folder's growth is told")

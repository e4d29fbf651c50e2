"""Photograph every page in every state: `python -m tests.e2e.screenshots [FOLDER]`.

Into docs/images the looks that the documentation shows; into another folder all of them.
"""

import sys
import tempfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect
from rich.console import Console

from app.demo.origin import Origin
from tests.e2e.browser import running_browser
from tests.e2e.scenery import LASTING, Scenery, make_media
from tests.e2e.states import LOOKS, STATES, dress, quiet_context, show_first_run
from tests.stack import running_stack

DOCS = Path(__file__).parents[2] / "docs" / "images"
QUALITY = 88
FIRST_RUN_LOOKS = ("light", "dark", "small")

console = Console()


def take_all(folder: Path, *, every_look: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, running_browser() as browser:
        media = Path(scratch) / "media"
        media.mkdir()
        make_media(media)
        with Origin(media) as origin, running_stack(Path(scratch) / "data", **LASTING) as stack:
            page = quiet_context(browser).new_page()
            show_first_run(page, stack)
            _take(page, folder, "first-run", LOOKS if every_look else FIRST_RUN_LOOKS)
            page.context.close()
            scenery = Scenery(stack, origin)
            for state in STATES:
                page = quiet_context(browser).new_page()
                dress(page, LOOKS["light"])
                with state.show(page, scenery):
                    _take(page, folder, state.name, LOOKS if every_look else state.looks)
                page.context.close()


def _take(page: Page, folder: Path, name: str, looks: Iterable[str]) -> None:
    for look in looks:
        dress(page, LOOKS[look])
        path = folder / (f"{name}.webp" if look == "light" else f"{name}-{look}.webp")
        Image.open(BytesIO(page.screenshot())).save(path, quality=QUALITY, method=6)
        console.print(path, highlight=False)


if __name__ == "__main__":
    expect.set_options(timeout=15_000)
    take_all(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS, every_look=len(sys.argv) > 1)

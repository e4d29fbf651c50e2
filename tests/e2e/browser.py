"""A real browser: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def chromium() -> str | None:
    """The browser's path, or None where the machine has none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Raises RuntimeError where there is no Chromium."""
    path = chromium()
    if path is None:
        raise RuntimeError("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Complaints:
    """What a page throws, and what the browser writes to its console as an error."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def hear(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.all.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.all.append(f"{message.text} ({message.location.get('url')})")

    def but(self, *expected: str) -> list[str]:
        """All but those that hold one of these words."""
        return [each for each in self.all if not any(words in each for words in expected)]

"""The editor as a person uses it: by what it says, never by how it is built."""

import re
from typing import Self

from playwright.sync_api import Locator, Page, expect

from tests.service import Service

STORE_SECONDS = 120.0


class Editor:
    """A page of the browser that shows a project."""

    def __init__(self, page: Page, service: Service) -> None:
        self.page = page
        self.service = service
        self.project = ""

    def open_new(self, title: str = "A test") -> Self:
        """Open a project that is made for it."""
        answer = self.service.http.post("/projects", json={"title": title}).raise_for_status()
        return self.open(answer.json()["id"])

    def open(self, project: str, path: str = "") -> Self:
        self.project = project
        self.page.goto(f"{self.service.url}/projects/{project}{path}")
        self.expect_live()
        return self

    def expect_live(self) -> None:
        expect(self.page.get_by_text("Live", exact=True)).to_be_visible()

    def paste(self, text: str) -> None:
        """Paste as a person does: from the clipboard, onto the page."""
        self.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page.evaluate("(text) => navigator.clipboard.writeText(text)", text)
        self.page.keyboard.press("Control+V")

    @property
    def cards(self) -> Locator:
        return self.page.get_by_role("list", name="Scenes", exact=True).get_by_role("article")

    def card(self, number: int) -> Locator:
        return self.page.get_by_role("article", name=re.compile(rf"^Scene {number}: "))

    def titles(self) -> list[str]:
        """The scenes' titles, in the order shown."""
        return self.cards.get_by_role("heading", level=2).all_text_contents()

    def tab(self, name: str) -> Locator:
        return self.page.get_by_role("tab", name=re.compile(rf"^{name}"))

    def expect_stored(self, stored: int, total: int, seconds: float = STORE_SECONDS) -> None:
        words = self.page.get_by_text(f"{stored} of {total} stored", exact=True)
        expect(words).to_be_visible(timeout=seconds * 1000)

    def choose(self, card: Locator, item: str) -> None:
        """Open the card's menu, and choose."""
        card.get_by_role("button", name=re.compile("^More for ")).click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()


def store_requests(service: Service) -> int:
    """How often this API process was asked to store, by its own count."""
    metrics = service.http.get(f"{service.url}/metrics").raise_for_status().text
    counts = re.findall(
        r'^takeup_http_requests_total\{method="POST",route="/api/v1/media/store",.*\} (\S+)$', metrics, re.MULTILINE
    )
    return int(sum(map(float, counts)))

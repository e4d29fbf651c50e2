"""A Takeup that asks for a key: a person gives it once, and then works as on any other."""

import pytest
from playwright.sync_api import Page, expect

from app.demo.origin import Origin
from tests.e2e.editor import Editor
from tests.stack import RunningStack


@pytest.fixture(autouse=True)
def _refused(expected_complaints: list[str]) -> None:
    expected_complaints.append("401 (Unauthorized)")


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_key_opens_the_page_that_was_asked_for_and_all_in_it(page: Page, stack: RunningStack, origin: Origin) -> None:
    project = stack.http.post("/projects", json={"title": "Behind a key"}).json()["id"]
    editor = Editor(page, stack)
    with stack.locked() as key:
        page.goto(f"{stack.url}/projects/{project}")
        sign_in(page, f"  {key}\n")
        editor.expect_live()
        editor.paste(origin.url("clip.mp4"))
        editor.expect_stored(1, 1)
        editor.card(1).get_by_role("button", name="Play clip.mp4").click()
        video = editor.card(1).locator("video")
        expect(video).to_have_js_property("readyState", 4)
        page.reload()
        editor.expect_stored(1, 1)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in with an API key")).to_be_visible()
        page.goto(f"{stack.url}/projects/{project}")
        expect(page.get_by_role("heading", name="Sign in with an API key")).to_be_visible()
        expect(page.get_by_text("Behind a key")).to_have_count(0)


def test_a_wrong_key_is_refused_in_words_and_can_be_mended(page: Page, stack: RunningStack) -> None:
    with stack.locked() as key:
        page.goto(stack.url)
        sign_in(page, "not a key")
        expect(page.get_by_text("This server does not know that API key")).to_be_visible()
        expect(page.get_by_label("API key", exact=True)).to_be_focused()
        sign_in(page, key)
        expect(page.get_by_role("heading", name="Sign in with an API key")).to_be_hidden()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()

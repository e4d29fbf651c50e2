"""Two tabs, a lost connection, a restarted server: the page is right again by itself, and says so while it is not."""

import re

from playwright.sync_api import BrowserContext, expect

from app.demo.origin import Origin
from tests.e2e.editor import Editor
from tests.servers import eventually
from tests.stack import RunningStack

AGAIN_MS = 2000
"""Within so long the page shows what is true again, once it has its connection back."""


def test_two_tabs_show_the_same_at_once(
    editor: Editor, context: BrowserContext, origin: Origin, stack: RunningStack
) -> None:
    editor.open_new("Two tabs")
    second = Editor(context.new_page(), stack).open(editor.project)
    editor.paste(origin.url("photo.jpg"))
    expect(second.cards).to_have_count(1)
    second.expect_stored(1, 1)
    second.card(1).get_by_role("textbox").fill("Words of the second tab")
    second.card(1).get_by_role("textbox").press("Control+Enter")
    expect(editor.card(1).get_by_role("textbox")).to_have_value("Words of the second tab")
    editor.choose(editor.card(1), "Remove")
    expect(second.cards).to_have_count(0)


def test_two_who_write_the_same_text_lose_neither(
    editor: Editor, context: BrowserContext, origin: Origin, stack: RunningStack, expected_complaints: list[str]
) -> None:
    expected_complaints.append("412 (Precondition")
    editor.open_new("Both write").paste(origin.url("photo.jpg"))
    editor.expect_stored(1, 1)
    second = Editor(context.new_page(), stack).open(editor.project)
    mine, theirs = (tab.card(1).get_by_role("textbox") for tab in (editor, second))
    mine.fill("mine")
    theirs.fill("theirs")
    theirs.press("Control+Enter")
    eventually(lambda: text_of(editor) == "theirs", seconds=10, what="the second tab's words are stored")
    mine.press("Control+Enter")
    alert = editor.card(1).get_by_role("alert")
    expect(alert).to_contain_text("theirs")
    expect(mine).to_have_value("mine")
    alert.get_by_role("button", name="Keep mine").click()
    expect(theirs).to_have_value("mine")
    assert text_of(editor) == "mine"


def text_of(editor: Editor) -> str:
    """Of the first scene, as the server has it."""
    text: str = editor.service.http.get(f"/projects/{editor.project}").json()["scenes"][0]["text"]
    return text


def test_offline_is_said_and_what_happened_meanwhile_is_there_after(
    editor: Editor, context: BrowserContext, origin: Origin, stack: RunningStack, expected_complaints: list[str]
) -> None:
    expected_complaints.append("ERR_INTERNET_DISCONNECTED")
    editor.open_new("Disconnected").paste(origin.url("clip.mp4", rate=400_000))
    expect(editor.card(1).get_by_role("progressbar")).to_be_visible()
    context.set_offline(True)
    expect(editor.page.get_by_text("Offline", exact=True)).to_be_visible(timeout=AGAIN_MS)
    expect(editor.page.get_by_text("The connection is lost")).to_be_visible()
    [scene] = stack.http.get(f"/projects/{editor.project}").json()["scenes"]
    stack.wait(scene, "ready")
    expect(editor.card(1).get_by_text("Stored", exact=True)).to_have_count(0)
    context.set_offline(False)
    expect(editor.card(1).get_by_text("Stored", exact=True)).to_be_visible(timeout=AGAIN_MS)
    expect(editor.page.get_by_text("Live", exact=True)).to_be_visible()


def test_what_is_pasted_offline_stays_in_the_box(
    editor: Editor, context: BrowserContext, origin: Origin, expected_complaints: list[str]
) -> None:
    expected_complaints.append("ERR_INTERNET_DISCONNECTED")
    editor.open_new("Pasted offline")
    link = origin.url("photo.jpg")
    context.set_offline(True)
    editor.paste(link)
    expect(editor.page.get_by_role("alert").filter(has_text="could not be added")).to_be_visible(timeout=30_000)
    box = editor.page.get_by_label("Links", exact=True)
    expect(box).to_have_value(link)
    context.set_offline(False)
    editor.expect_live()
    box.press("Enter")
    editor.expect_stored(1, 1)


def test_the_api_is_killed_while_a_clip_downloads(
    editor: Editor, origin: Origin, stack: RunningStack, expected_complaints: list[str]
) -> None:
    expected_complaints += ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "ERR_CONNECTION_RESET", "ERR_EMPTY"]
    editor.open_new("Restarted").paste(origin.url("clip.mp4", rate=150_000))
    bar = editor.card(1).get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]"))
    stack.kill("api")
    expect(editor.page.get_by_text("Offline", exact=True)).to_be_visible()
    expect(editor.page.get_by_text("Live", exact=True)).to_be_visible(timeout=30_000)
    expect(bar).to_be_visible(timeout=AGAIN_MS)
    editor.expect_stored(1, 1)
    [scene] = stack.http.get(f"/projects/{editor.project}").json()["scenes"]
    assert scene["media"]["attempt"] == 1

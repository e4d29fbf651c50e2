"""Pasting: what can be understood becomes scenes, once each, and nothing that was typed is lost."""

import re

from playwright.sync_api import BrowserContext, expect

from app.demo.origin import Origin
from tests.e2e.editor import Editor, store_requests
from tests.servers import eventually
from tests.stack import RunningStack

KINDS = ["clip.mp4", "clip.webm", "tone.mp3", "photo.jpg", "tail.mp4", "loop.gif"]


def test_thirty_links_arrive_in_order_and_each_is_asked_for_once(
    editor: Editor, origin: Origin, stack: RunningStack
) -> None:
    asked = store_requests(stack)
    links = [origin.url(KINDS[number % len(KINDS)], take=number) for number in range(30)]
    editor.open_new("Thirty").paste("\n".join(links))
    expect(editor.cards).to_have_count(30)
    editor.expect_stored(30, 30)
    assert editor.titles() == [KINDS[number % len(KINDS)] for number in range(30)]
    assert store_requests(stack) - asked == 30
    expect(editor.tab("Stored")).to_contain_text("30")


def test_what_was_added_elsewhere_is_stored_by_the_page_once_whatever_tabs_and_reloads_there_are(
    editor: Editor, context: BrowserContext, origin: Origin, stack: RunningStack
) -> None:
    editor.open_new("Reconciled")
    second = Editor(context.new_page(), stack).open(editor.project)
    asked = store_requests(stack)
    urls = [origin.url("photo.jpg", added=number) for number in range(5)]
    answer = stack.http.post(f"/projects/{editor.project}/scenes/batch", json={"urls": urls})
    answer.raise_for_status()
    expect(editor.cards).to_have_count(5)
    editor.page.reload()
    second.page.reload()
    editor.expect_stored(5, 5)
    second.expect_stored(5, 5)
    assert store_requests(stack) - asked == 5


def test_a_messy_paste_adds_what_it_can_and_keeps_the_rest(editor: Editor, origin: Origin) -> None:
    clip, photo = origin.url("clip.mp4", messy=1), origin.url("photo.jpg", messy=1)
    editor.open_new("Messy").paste(
        f"""Here is the clip: {clip}, and

        {photo};{origin.url("tone.mp3")}
        {clip}
        just a remark of mine
        ftp://example.com/film.mov
        (see {origin.url("tail.mp4")}).
        """
    )
    expect(editor.cards).to_have_count(5)
    assert editor.titles() == ["clip.mp4", "photo.jpg", "tone.mp3", "clip.mp4", "tail.mp4"]
    expect(editor.card(4)).to_contain_text("Same link as scene 1")
    report = editor.page.get_by_role("list", name="Lines that could not be used")
    expect(report).to_contain_text("There is no link in this line")
    expect(report).to_contain_text("Only http and https links can be fetched")
    expect(editor.page.get_by_label("Links", exact=True)).to_have_value(
        "just a remark of mine\nftp://example.com/film.mov"
    )
    editor.expect_stored(5, 5)


def test_a_link_that_the_server_alone_refuses_stays_in_the_box(
    editor: Editor, origin: Origin, expected_complaints: list[str]
) -> None:
    expected_complaints.append("422 (Unprocessable")
    refused = origin.url("clip.mp4") + "\x7f"
    editor.open_new("Refused").paste(f"{origin.url('photo.jpg')}\n{refused}")
    editor.expect_stored(1, 1)
    expect(editor.page.get_by_label("Links", exact=True)).to_have_value(refused)


def test_strange_titles_and_texts_are_shown_as_typed(editor: Editor, stack: RunningStack, origin: Origin) -> None:
    title = "🎬 <b>bold</b> \u05e9\u05dc\u05d5\u05dd & <img src=x onerror=alert(1)>"
    editor.open_new(title)
    expect(editor.page.get_by_role("heading", name=title)).to_be_visible()
    editor.paste(origin.url("photo.jpg", disposition='<script>alert(1)</script> "\u202egpj.exe'))
    editor.expect_stored(1, 1)
    assert re.search("script", editor.titles()[0])
    text = editor.card(1).get_by_role("textbox")
    text.fill("\u05e9\u05dc\u05d5\u05dd 🎥 <i>x</i> {{7*7}}")
    text.press("Control+Enter")
    scene = stack.http.get(f"/projects/{editor.project}").json()["scenes"][0]["id"]
    eventually(
        lambda: stack.http.get(f"/scenes/{scene}").json()["text"] == "\u05e9\u05dc\u05d5\u05dd 🎥 <i>x</i> {{7*7}}",
        seconds=10,
        what="the text is stored as typed",
    )
    editor.page.reload()
    expect(editor.card(1).get_by_role("textbox")).to_have_value("\u05e9\u05dc\u05d5\u05dd 🎥 <i>x</i> {{7*7}}")

"""What fails says why and what to do; what is to be done about it is one click away."""

import re

from playwright.sync_api import expect

from app.demo.origin import Origin
from tests.e2e.editor import Editor, store_requests
from tests.servers import eventually


def test_a_failure_says_why_and_another_link_mends_it(editor: Editor, origin: Origin) -> None:
    editor.open_new("Mended").paste(origin.url("status/404"))
    card = editor.card(1)
    expect(card.get_by_text("There is nothing at this link any more.", exact=True)).to_be_visible()
    card.get_by_text("Details").click()
    expect(card.locator("pre")).to_contain_text('"code": "link.not_found"')
    card.get_by_role("button", name=re.compile("^Edit link")).click()
    dialog = editor.page.get_by_role("dialog", name="Edit link")
    dialog.get_by_label("Link").fill("nowhere")
    dialog.get_by_role("button", name="Store").click()
    expect(dialog.get_by_role("alert")).to_contain_text("no link")
    dialog.get_by_label("Link").fill(origin.url("photo.jpg"))
    dialog.get_by_role("button", name="Store").click()
    expect(dialog).to_be_hidden()
    editor.expect_stored(1, 1)


def test_a_retry_is_counted_down_and_made(editor: Editor, origin: Origin) -> None:
    editor.open_new("Retried").paste(origin.url("photo.jpg", fail_first=2))
    expect(editor.card(1).get_by_text(re.compile(r"^Next try (in|any)"))).to_be_visible()
    editor.expect_stored(1, 1)
    editor.card(1).get_by_role("link", name="photo.jpg", exact=True).click()
    attempts = editor.page.get_by_role("region", name="Attempts").get_by_role("listitem")
    expect(attempts).to_have_count(3)


def test_all_that_failed_is_tried_again_at_once(editor: Editor, origin: Origin) -> None:
    links = [origin.url("garbage.mp4", take=number) for number in range(3)]
    editor.open_new("All again").paste("\n".join([*links, origin.url("photo.jpg")]))
    expect(editor.tab("Failed")).to_contain_text("3")
    editor.expect_stored(1, 4)
    editor.tab("Failed").click()
    expect(editor.cards).to_have_count(3)
    expect(editor.page).to_have_url(re.compile("state=failed"))
    editor.page.reload()
    expect(editor.cards).to_have_count(3)
    before = origin.requests["garbage.mp4"]
    editor.page.get_by_role("button", name="Retry all 3 failures").click()
    eventually(lambda: origin.requests["garbage.mp4"] >= before + 3, seconds=20, what="all three were fetched again")
    expect(editor.tab("Failed")).to_contain_text("3")


def test_a_download_is_canceled_within_two_seconds_and_tried_again(editor: Editor, origin: Origin) -> None:
    editor.open_new("Canceled").paste(origin.url("clip.mp4", rate=60_000))
    card = editor.card(1)
    bar = card.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]"))
    expect(card.get_by_text(re.compile(r"fetched$"))).to_be_visible()
    card.get_by_role("button", name="Cancel clip.mp4").click()
    expect(card.get_by_text("Canceled", exact=True)).to_be_visible(timeout=2000)
    card.get_by_role("button", name="Retry: clip.mp4").click()
    expect(bar).to_be_visible()
    card.get_by_role("button", name="Cancel clip.mp4").click()
    expect(card.get_by_text("Canceled", exact=True)).to_be_visible(timeout=2000)


def test_a_request_that_does_not_get_through_is_made_again(
    editor: Editor, origin: Origin, expected_complaints: list[str]
) -> None:
    expected_complaints.append("ERR_FAILED")
    editor.open_new("Certain")
    editor.page.route("**/media/store", lambda route: route.abort(), times=2)
    asked = store_requests(editor.service)
    editor.paste(origin.url("photo.jpg"))
    editor.expect_stored(1, 1)
    assert store_requests(editor.service) - asked == 1

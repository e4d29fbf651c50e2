"""What is stored plays in the page, from the bucket, and can be taken away."""

import re

import pytest
from playwright.sync_api import Locator, Response, expect

from app.demo.origin import Origin
from tests.e2e.editor import Editor

AT = "(media) => media.currentTime"


@pytest.fixture
def stored(editor: Editor, origin: Origin) -> Editor:
    """A project with one stored clip of five seconds."""
    editor.open_new("Played").paste(origin.url("clip.mp4"))
    editor.expect_stored(1, 1)
    return editor


def test_a_stored_clip_shows_its_poster_and_plays_from_the_bucket(stored: Editor) -> None:
    answers: list[Response] = []

    def note(answer: Response) -> None:
        answers.append(answer)

    stored.page.on("response", note)
    expect_drawn(stored.card(1).locator("img"))
    stored.card(1).get_by_role("button", name="Play clip.mp4").click()
    video = stored.card(1).locator("video")
    expect(video).to_have_js_property("paused", value=False)
    stored.page.wait_for_timeout(700)
    assert video.evaluate(AT) > 0.2
    media = [answer for answer in answers if answer.request.resource_type == "media" and answer.status < 300]
    assert media
    assert all(answer.url.startswith(stored.service.settings.s3_endpoint_url) for answer in media)


def test_seeking_fetches_a_range_and_goes_on_from_there(stored: Editor) -> None:
    stored.card(1).get_by_role("button", name="Play clip.mp4").click()
    video = stored.card(1).locator("video")
    expect(video).to_have_js_property("seeking", value=False)
    at = video.evaluate(
        """(video) => new Promise((done) => {
            video.pause();
            video.addEventListener("seeked", () => done(video.currentTime), { once: true });
            video.currentTime = 4;
        })"""
    )
    assert at == pytest.approx(4, abs=0.2)
    assert video.evaluate("(video) => video.seekable.length && video.seekable.end(0)") > 4.5


def test_the_player_opens_on_the_scene_page_too_and_audio_and_pictures_show(editor: Editor, origin: Origin) -> None:
    editor.open_new("Kinds").paste("\n".join(map(origin.url, ["tone.mp3", "photo.jpg"])))
    editor.expect_stored(2, 2)
    editor.card(1).get_by_role("button", name="Play tone.mp3").click()
    audio = editor.card(1).locator("audio")
    expect(audio).to_have_js_property("paused", value=False)
    editor.card(2).get_by_role("button", name="Show photo.jpg").click()
    expect_drawn(editor.card(2).get_by_role("img", name="photo.jpg"))
    editor.card(1).get_by_role("link", name="tone.mp3", exact=True).click()
    expect(editor.page.get_by_role("heading", name="tone.mp3", level=1)).to_be_visible()
    expect(editor.page.locator("audio")).to_have_js_property("error", value=None)


def test_the_file_can_be_downloaded_under_its_name(stored: Editor, origin: Origin) -> None:
    with stored.page.expect_download() as downloading:
        stored.card(1).get_by_role("link", name="Download clip.mp4").click()
    download = downloading.value
    assert download.suggested_filename == "clip.mp4"
    assert (
        download.path().stat().st_size
        == stored.service.http.get(f"/projects/{stored.project}").json()["scenes"][0]["media"]["original"]["bytes"]
    )


@pytest.mark.parametrize("is_secure", [True, False], ids=["https or loopback", "plain http"])
def test_the_link_can_be_copied_where_the_browser_has_no_clipboard_for_pages_too(
    stored: Editor, *, is_secure: bool
) -> None:
    page = stored.page
    if not is_secure:  # what a page on plain http sees of the clipboard: nothing
        page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })")
    stored.card(1).get_by_role("button", name="Copy link of clip.mp4").click()
    expect(stored.card(1).get_by_role("button", name="Copied")).to_be_visible()
    if not is_secure:
        page.evaluate("delete navigator.clipboard")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.match(rf"{stored.service.url}/api/v1/media/.+/content", copied)
    assert page.request.get(copied).body()[4:8] == b"ftyp"


def expect_drawn(image: Locator) -> None:
    expect(image).to_have_js_property("complete", value=True)
    assert image.evaluate("(image) => image.naturalWidth") > 0

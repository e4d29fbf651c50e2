"""Order, selection and removal, by mouse and by keyboard."""

import pytest
from playwright.sync_api import BrowserContext, expect

from app.demo.origin import Origin
from tests.e2e.editor import Editor
from tests.servers import eventually
from tests.stack import RunningStack

NAMES = ["clip.mp4", "photo.jpg", "tone.mp3", "loop.gif"]


@pytest.fixture
def four(editor: Editor, origin: Origin) -> Editor:
    """A project with four stored scenes."""
    editor.open_new("Four").paste("\n".join(map(origin.url, NAMES)))
    editor.expect_stored(4, 4)
    return editor


def order_of(editor: Editor) -> list[str]:
    """As the server has it."""
    scenes = editor.service.http.get(f"/projects/{editor.project}").json()["scenes"]
    return [scene["media"]["original"]["filename"] for scene in scenes]


def expect_order(editor: Editor, *names: str) -> None:
    eventually(lambda: editor.titles() == list(names), seconds=10, what=f"{names} on the page: {editor.titles()}")
    eventually(lambda: order_of(editor) == list(names), seconds=10, what=f"{names} on the server")


def test_a_scene_is_dragged_to_another_place(four: Editor) -> None:
    handle = four.page.get_by_role("button", name="Move clip.mp4")
    onto = four.page.get_by_role("button", name="Move photo.jpg").bounding_box()
    assert onto is not None
    handle.hover()
    four.page.mouse.down()
    four.page.mouse.move(onto["x"] + onto["width"] / 2, onto["y"] + onto["height"] / 2, steps=10)
    four.page.mouse.up()
    expect_order(four, "photo.jpg", "clip.mp4", "tone.mp3", "loop.gif")


def test_a_scene_is_moved_by_keyboard(four: Editor) -> None:
    four.page.get_by_role("button", name="Move loop.gif").focus()
    for key in ["Space", "ArrowUp", "ArrowUp", "Space"]:
        four.page.keyboard.press(key)
        four.page.wait_for_timeout(250)  # the list slides into place between two presses
    expect_order(four, "clip.mp4", "loop.gif", "photo.jpg", "tone.mp3")


def test_the_menu_moves_a_scene_and_the_other_tab_follows(
    four: Editor, context: BrowserContext, stack: RunningStack
) -> None:
    second = Editor(context.new_page(), stack).open(four.project)
    four.choose(four.card(2), "Move down")
    expect_order(four, "clip.mp4", "tone.mp3", "photo.jpg", "loop.gif")
    expect_order(second, "clip.mp4", "tone.mp3", "photo.jpg", "loop.gif")
    second.choose(second.card(1), "Move down")
    expect_order(four, "tone.mp3", "clip.mp4", "photo.jpg", "loop.gif")


def test_a_range_is_selected_removed_and_brought_back(four: Editor) -> None:
    four.card(2).get_by_role("checkbox").click()
    four.card(4).get_by_role("checkbox").click(modifiers=["Shift"])
    expect(four.page.get_by_text("3 scenes selected")).to_be_visible()
    four.page.keyboard.press("Delete")
    expect(four.cards).to_have_count(1)
    eventually(lambda: order_of(four) == ["clip.mp4"], seconds=10, what="three are gone on the server")
    four.page.get_by_role("button", name="Undo").click()
    expect_order(four, *NAMES)
    four.expect_stored(4, 4)


def test_everything_is_selected_and_let_go_by_keyboard(four: Editor) -> None:
    four.page.keyboard.press("Control+a")
    expect(four.page.get_by_text("4 scenes selected")).to_be_visible()
    four.page.keyboard.press("Escape")
    expect(four.page.get_by_text("Select all")).to_be_visible()


def test_a_removal_that_the_server_refuses_is_taken_back(four: Editor, expected_complaints: list[str]) -> None:
    expected_complaints.append("ERR_FAILED")
    four.page.route("**/api/v1/scenes/*", lambda route: route.abort())
    four.choose(four.card(1), "Remove")
    expect(four.page.get_by_role("alert").filter(has_text="could not be removed")).to_be_visible()
    expect(four.cards).to_have_count(4)

"""Every page in every state, each reached as a person reaches it: what is scanned, and what is photographed."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.editor import Editor
from tests.e2e.scenery import Scenery
from tests.servers import eventually
from tests.service import Service

Show = Callable[[Page, Scenery], AbstractContextManager[None]]


@dataclass(frozen=True)
class Look:
    """The size of the window, in CSS pixels, and the theme."""

    width: int
    height: int
    is_dark: bool = False


LOOKS = {
    "light": Look(1280, 900),
    "dark": Look(1280, 900, is_dark=True),
    "small": Look(360, 780),
    "small-dark": Look(360, 780, is_dark=True),
    "wide": Look(3840, 2160),
}


@dataclass(frozen=True)
class State:
    """`show` brings the page there for as long as its `with` lasts; `looks`: how it is photographed."""

    name: str
    show: Show
    looks: tuple[str, ...] = ("light",)


def quiet_context(browser: Browser) -> BrowserContext:
    """A profile of its own, in which nothing moves: what is photographed twice is the same."""
    return browser.new_context(reduced_motion="reduce")


def dress(page: Page, look: Look) -> None:
    """Give the page, in whatever state it is, this look."""
    page.set_viewport_size({"width": look.width, "height": look.height})
    page.emulate_media(color_scheme="dark" if look.is_dark else "light", reduced_motion="reduce")
    # Its colours have arrived once a frame was drawn with them: on a busy machine that may take a while.
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    page.wait_for_timeout(100)


def show_first_run(page: Page, service: Service) -> None:
    """The page of a Takeup that holds nothing yet."""
    page.goto(service.url)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Paste a link")
    expect(page.get_by_text("Everything works.")).to_be_visible(timeout=30_000)


def _wait_for_pictures(page: Page) -> None:
    """Until each picture that can be seen has been drawn."""
    undrawn = """[...document.images].filter((image) => {
        const { top, bottom } = image.getBoundingClientRect();
        return bottom > 0 && top < innerHeight && !(image.complete && image.naturalWidth);
    }).length"""
    eventually(lambda: page.evaluate(undrawn) == 0, seconds=15, what="the pictures are there")


def _open_projects(page: Page, scenery: Scenery) -> None:
    page.goto(scenery.service.url)
    expect(page.get_by_role("list", name="Projects").get_by_role("listitem")).to_have_count(3)
    expect(page.get_by_text("14 of 29 stored")).to_be_visible()
    _wait_for_pictures(page)


@contextmanager
def _projects(page: Page, scenery: Scenery) -> Iterator[None]:
    _open_projects(page, scenery)
    yield


@contextmanager
def _new_project(page: Page, scenery: Scenery) -> Iterator[None]:
    _open_projects(page, scenery)
    page.get_by_role("button", name="New project").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield


@contextmanager
def _project_menu(page: Page, scenery: Scenery) -> Iterator[None]:
    _open_projects(page, scenery)
    page.get_by_role("button", name="More for Market day").click()
    expect(page.get_by_role("menu")).to_be_visible()
    yield


@contextmanager
def _empty_project(page: Page, scenery: Scenery) -> Iterator[None]:
    Editor(page, scenery.service).open(scenery.empty)
    yield


def _editor(page: Page, scenery: Scenery) -> Editor:
    editor = Editor(page, scenery.service).open(scenery.harbour)
    expect(editor.cards).to_have_count(30)
    _wait_for_pictures(page)
    return editor


@contextmanager
def _whole(page: Page, scenery: Scenery) -> Iterator[None]:
    _editor(page, scenery)
    yield


def _of_state(tab: str) -> Show:
    @contextmanager
    def show(page: Page, scenery: Scenery) -> Iterator[None]:
        editor = _editor(page, scenery)
        editor.tab(tab).click()
        expect(editor.cards).not_to_have_count(30)
        yield

    return show


@contextmanager
def _failure(page: Page, scenery: Scenery) -> Iterator[None]:
    editor = _editor(page, scenery)
    editor.tab("Failed").click()
    editor.cards.first.get_by_text("Details").click()
    expect(editor.cards.first.locator("pre")).to_be_visible()
    yield


@contextmanager
def _messy_paste(page: Page, scenery: Scenery) -> Iterator[None]:
    editor = Editor(page, scenery.service).open(scenery.empty)
    editor.paste("a remark that holds no link\nftp://example.com/film.mov\nhttps://user:word@example.com/clip.mp4")
    expect(page.get_by_role("list", name="Lines that could not be used")).to_be_visible()
    yield


@contextmanager
def _selection(page: Page, scenery: Scenery) -> Iterator[None]:
    editor = _editor(page, scenery)
    editor.tab("Failed").click()
    page.keyboard.press("Control+a")
    expect(page.get_by_text("scenes selected")).to_be_visible()
    yield


@contextmanager
def _scene_menu(page: Page, scenery: Scenery) -> Iterator[None]:
    editor = _editor(page, scenery)
    editor.card(2).get_by_role("button", name=re.compile("^More for ")).click()
    expect(page.get_by_role("menu")).to_be_visible()
    yield


@contextmanager
def _edit_link(page: Page, scenery: Scenery) -> Iterator[None]:
    editor = _editor(page, scenery)
    editor.tab("Failed").click()
    editor.cards.first.get_by_role("button", name=re.compile("^Edit link")).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield


@contextmanager
def _playing(page: Page, scenery: Scenery) -> Iterator[None]:
    editor = _editor(page, scenery)
    editor.card(1).get_by_role("button", name=re.compile("^Play ")).click()
    video = editor.card(1).locator("video")
    expect(video).to_have_js_property("readyState", 4)
    video.evaluate("(video) => video.pause()")
    yield


@contextmanager
def _undo(page: Page, scenery: Scenery) -> Iterator[None]:
    editor = _editor(page, scenery)
    editor.tab("Canceled").click()
    editor.choose(editor.cards.first, "Remove")
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    yield
    undo.click()
    expect(undo).to_be_hidden()


@contextmanager
def _offline(page: Page, scenery: Scenery) -> Iterator[None]:
    _editor(page, scenery)
    page.context.set_offline(True)
    expect(page.get_by_text("The connection is lost")).to_be_visible()
    yield


def _scene(which: Callable[[Scenery], list[str]]) -> Show:
    @contextmanager
    def show(page: Page, scenery: Scenery) -> Iterator[None]:
        scene = which(scenery)[0]
        page.goto(f"{scenery.service.url}/projects/{scenery.harbour}/scenes/{scene}")
        expect(page.get_by_role("region", name="Attempts")).to_be_visible()
        _wait_for_pictures(page)
        yield

    return show


@contextmanager
def _monitor(page: Page, scenery: Scenery) -> Iterator[None]:
    page.goto(f"{scenery.service.url}/monitor")
    expect(page.get_by_role("heading", name="Failures by code")).to_be_visible()
    page.wait_for_timeout(5000)  # its line of the last minutes needs a few looks
    yield


@contextmanager
def _no_workers(page: Page, scenery: Scenery) -> Iterator[None]:
    with scenery.service.frozen("worker"):
        page.goto(f"{scenery.service.url}/monitor")
        expect(page.get_by_text("No worker listens")).to_be_visible(timeout=30_000)
        yield


@contextmanager
def _nowhere(page: Page, scenery: Scenery) -> Iterator[None]:
    page.goto(f"{scenery.service.url}/nowhere")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    yield


@contextmanager
def _no_project(page: Page, scenery: Scenery) -> Iterator[None]:
    page.goto(f"{scenery.service.url}/projects/01a20000-0000-7000-8000-000000000000")
    expect(page.get_by_role("heading", name="There is no such project")).to_be_visible()
    yield


@contextmanager
def _no_scene(page: Page, scenery: Scenery) -> Iterator[None]:
    page.goto(f"{scenery.service.url}/projects/{scenery.empty}/scenes/01a20000-0000-7000-8000-000000000000")
    expect(page.get_by_role("heading", name="There is no such scene")).to_be_visible()
    yield


@contextmanager
def _sign_in(page: Page, scenery: Scenery) -> Iterator[None]:
    with scenery.service.locked():
        page.goto(scenery.service.url)
        page.get_by_label("API key", exact=True).fill("a key that opens nothing")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("This server does not know that API key")).to_be_visible()
        yield


STATES = (
    State("projects", _projects, ("light", "dark")),
    State("new-project", _new_project),
    State("project-menu", _project_menu),
    State("empty-project", _empty_project),
    State("editor", _whole, tuple(LOOKS)),
    State("waiting", _of_state("Waiting")),
    State("arriving", _of_state("Arriving"), ("light", "small")),
    State("failure", _failure, ("light", "dark")),
    State("messy-paste", _messy_paste),
    State("selection", _selection),
    State("scene-menu", _scene_menu),
    State("edit-link", _edit_link),
    State("playing", _playing, ("light", "dark")),
    State("undo", _undo),
    State("offline", _offline),
    State("scene", _scene(lambda scenery: scenery.ready), ("light", "small")),
    State("scene-failed", _scene(lambda scenery: scenery.failed)),
    State("scene-arriving", _scene(lambda scenery: scenery.active)),
    State("monitor", _monitor, ("light", "dark", "small")),
    State("monitor-no-workers", _no_workers),
    State("sign-in", _sign_in, ("light", "small-dark")),
    State("not-found", _nowhere),
    State("no-project", _no_project),
    State("no-scene", _no_scene),
)

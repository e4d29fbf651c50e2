"""A project of five hundred scenes: all there, and smooth to scroll."""

from playwright.sync_api import expect

from app.demo.origin import Origin
from tests.e2e.editor import Editor
from tests.e2e.scenery import multiply
from tests.stack import RunningStack

SCENES = 500
LONGEST_TASK_MS = 200
TRIES = 3
SCROLL = """async () => {
    const tasks = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((task) => task.duration)));
    observer.observe({ entryTypes: ["longtask"] });
    for (let at = 0; at < document.documentElement.scrollHeight; at += 1400) {
        window.scrollTo(0, at);
        await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 16)));
    }
    await new Promise((done) => setTimeout(done, 300));
    observer.disconnect();
    return Math.max(0, ...tasks);
}"""


def test_five_hundred_scenes_are_shown_and_scroll_smoothly(editor: Editor, origin: Origin, stack: RunningStack) -> None:
    editor.open_new("Five hundred").paste(origin.url("clip.mp4"))
    editor.expect_stored(1, 1)
    multiply(stack, editor.project, SCENES)
    editor.page.reload()
    expect(editor.cards).to_have_count(SCENES)
    editor.expect_stored(SCENES, SCENES)
    # Another process may take the processor for a moment: the page is smooth where one passage of three is.
    longest = [editor.page.evaluate(SCROLL) for _ in range(TRIES)]
    assert min(longest) <= LONGEST_TASK_MS, longest
    editor.card(SCENES).scroll_into_view_if_needed()
    expect(editor.card(SCENES)).to_be_in_viewport()

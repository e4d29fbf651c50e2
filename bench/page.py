"""How soon a page is there, and may be used: the projects' page, and an editor of 500 scenes.

    python -m bench.page [--times 7] [--scenes 500]

The embedded stack and a real Chromium on this machine, nothing throttled; each visit with an empty profile, then once
more with what the first has left in the cache. Milliseconds from the navigation's start, median and range: until the
largest paint (LCP), and until everything is in the page and no task over 50 ms follows (interactive).
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from app.demo.origin import Origin
from app.demo.samples import make_samples
from tests.e2e.browser import running_browser
from tests.e2e.scenery import multiply
from tests.stack import RunningStack, running_stack

_WATCH = """
window.seen = { lcp: 0, whole: 0, busy: 0 };
const last = (name, note) => new PerformanceObserver((list) => list.getEntries().forEach(note))
    .observe({ type: name, buffered: true });
last("largest-contentful-paint", (paint) => { seen.lcp = paint.startTime; });
last("longtask", (task) => { seen.busy = task.startTime + task.duration; });
const count = () => {
    if (document.querySelectorAll("SELECTOR").length >= COUNT) seen.whole = performance.now();
    else requestAnimationFrame(count);
};
requestAnimationFrame(count);
"""
_SETTLED_MS = 1500
_COLUMNS = ("LCP", "interactive")


def visit(page: Page, url: str) -> dict[str, float]:
    """One look at the page, until it is at rest."""
    page.goto(url)
    while not page.evaluate("seen.whole"):
        page.wait_for_timeout(100)
    page.wait_for_timeout(_SETTLED_MS)
    seen: dict[str, float] = page.evaluate("seen")
    return {"LCP": seen["lcp"], "interactive": max(seen["busy"], seen["whole"])}


def measure(browser: Browser, url: str, selector: str, count: int, times: int) -> dict[str, list[dict[str, float]]]:
    """What so many visits saw, without and with a cache."""
    seen: dict[str, list[dict[str, float]]] = {"empty": [], "filled": []}
    for _ in range(times):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(_WATCH.replace("SELECTOR", selector).replace("COUNT", str(count)))
        page = context.new_page()
        for visits in seen.values():
            visits.append(visit(page, url))
        context.close()
    return seen


def show(name: str, seen: dict[str, list[dict[str, float]]]) -> None:
    for cache, visits in seen.items():
        cells = []
        for column in _COLUMNS:
            values = sorted(each[column] for each in visits)
            cells.append(f"{statistics.median(values):.0f} ({values[0]:.0f} - {values[-1]:.0f})")
        print(f"| {name} | {cache} | {' | '.join(cells)} |", flush=True)


def make_project(stack: RunningStack, origin: Origin, scenes: int) -> str:
    """A project with so many stored scenes."""
    project: str = stack.http.post("/projects", json={"title": "Many"}).raise_for_status().json()["id"]
    scene = stack.http.post(f"/projects/{project}/scenes", json={"source_url": origin.url("clip.mp4")}).json()
    stack.request(scene).raise_for_status()
    stack.wait(scene, "ready")
    multiply(stack, project, scenes)
    return project


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=7)
    arguments.add_argument("--scenes", type=int, default=500)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name, running_browser() as browser:
        media = Path(name) / "media"
        media.mkdir()
        make_samples(media)
        with Origin(media) as origin, running_stack(Path(name) / "data") as stack:
            print("| page | cache | LCP | interactive |")
            print("|---|---|---|---|")
            show("first page", measure(browser, stack.url, "h1", 1, options.times))
            project = make_project(stack, origin, options.scenes)
            show("projects", measure(browser, stack.url, "[aria-label='Projects'] > li", 1, options.times))
            editor = f"{stack.url}/projects/{project}"
            show(f"editor, {options.scenes} scenes", measure(browser, editor, "article", options.scenes, options.times))


if __name__ == "__main__":
    main()

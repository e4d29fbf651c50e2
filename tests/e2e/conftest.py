"""One stack, one origin and one browser for all these tests; each test has a browser profile of its own.

They end with this package, not with the run: Playwright's event loop would be in the way of `asyncio.run` after it.
"""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.demo.origin import Origin
from tests.e2e.browser import Complaints, chromium, running_browser
from tests.e2e.editor import Editor
from tests.servers import shared_samples
from tests.stack import RunningStack, running_stack

expect.set_options(timeout=15_000)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if chromium() is None and "CI" not in os.environ:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with running_browser() as running:
        yield running


@pytest.fixture(scope="package")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    with Origin(shared_samples(tmp_path_factory).folder) as serving:
        yield serving


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    # A person needs longer to undo, and to see a retry, than the quick times of other tests leave.
    longer = {"TAKEUP_TRASH_SECONDS": "20", "TAKEUP_RETRY_BASE_SECONDS": "1"}
    with running_stack(tmp_path_factory.mktemp("stack") / "data", **longer) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 900})
    yield made
    made.close()


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def expected_complaints() -> list[str]:
    """Words of errors that the test provokes; it adds them."""
    return []


@pytest.fixture
def page(context: BrowserContext, complaints: Complaints, expected_complaints: list[str]) -> Iterator[Page]:
    """A page, of which nothing may be heard on the console at the end."""
    context.on("page", complaints.hear)
    yield context.new_page()
    assert complaints.but(*expected_complaints) == []


@pytest.fixture
def editor(page: Page, stack: RunningStack) -> Editor:
    return Editor(page, stack)

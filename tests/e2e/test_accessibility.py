"""axe finds nothing to mend: on every page, in every state, light and dark, on a desk and on a telephone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from app.demo.origin import Origin
from tests.e2e.browser import Complaints
from tests.e2e.scenery import LASTING, Scenery, make_media
from tests.e2e.states import LOOKS, STATES, State, dress, quiet_context, show_first_run
from tests.stack import RunningStack, running_stack

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
SCANNED = (("light", "small"), ("dark",))
"""Looks that one page is given in turn. A theme is never changed: what is far off the screen keeps the old colours."""

EXPECTED = ["401 (Unauthorized)", "404 (Not Found)", "ERR_INTERNET_DISCONNECTED"]


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("lasting") / "data", **LASTING) as running:
        yield running


@pytest.fixture(scope="module")
def scenery(lasting: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenery]:
    folder = tmp_path_factory.mktemp("media")
    make_media(folder)
    with Origin(folder) as origin:
        yield Scenery(lasting, origin)


@pytest.fixture(params=SCANNED, ids=" and ".join)
def looks(request: pytest.FixtureRequest) -> tuple[str, ...]:
    names: tuple[str, ...] = request.param
    return names


@pytest.fixture
def seen(browser: Browser, looks: tuple[str, ...]) -> Iterator[Page]:
    """A page of which nothing unexpected may be heard on the console."""
    context = quiet_context(browser)
    complaints = Complaints()
    context.on("page", complaints.hear)
    page = context.new_page()
    dress(page, LOOKS[looks[0]])
    yield page
    context.close()
    assert complaints.but(*EXPECTED) == []


def violations(page: Page, looks: tuple[str, ...]) -> list[str]:
    """What axe finds in each look, all of its rules applied: look, rule, sentence, and the elements."""
    page.evaluate(AXE.read_text())
    found = []
    for name in looks:
        dress(page, LOOKS[name])
        result: dict[str, Any] = page.evaluate("axe.run()")
        found += [
            f"{name}: {each['id']}: {each['help']}: {[node['html'] for node in each['nodes']]}"
            for each in result["violations"]
        ]
    return found


def test_the_first_run(seen: Page, looks: tuple[str, ...], lasting: RunningStack) -> None:
    show_first_run(seen, lasting)
    assert violations(seen, looks) == []


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_every_state(state: State, seen: Page, looks: tuple[str, ...], scenery: Scenery) -> None:
    with state.show(seen, scenery):
        assert violations(seen, looks) == []

"""docs/state-machine.md shows the table of transitions as it is."""

import re
from pathlib import Path

import pytest

from app.models.media import ACTIVE, TRANSITIONS, Status
from tests.draw_transitions import ANY, PAGE, WORKING, arrows_of, drawing, redrawn

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"


def test_page_shows_the_table_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == redrawn(page, TRANSITIONS), "run `make diagram`"


def test_arrows_are_the_table_and_nothing_else() -> None:
    starts = {ANY: list(Status), WORKING: list(ACTIVE)}
    drawn = {
        (start, Status(target))
        for source, target in arrows_of(TRANSITIONS)
        for start in starts.get(source, [Status(source)] if source not in starts else [])
    }
    assert drawn == {(source, target) for source, targets in TRANSITIONS.items() for target in targets}


def test_every_drawn_arrow_and_state_is_in_the_diagram() -> None:
    found = re.findall(r"(\S+) --> (\S+)", drawing(TRANSITIONS))
    assert sorted(found) == sorted([("[*]", "pending"), *(a for a in arrows_of(TRANSITIONS) if a[0] != ANY)])
    assert {name for arrow in found for name in arrow} >= set(Status)


def test_arrow_without_a_meaning_is_refused() -> None:
    with pytest.raises(KeyError):
        drawing({**TRANSITIONS, Status.READY: TRANSITIONS[Status.READY] | {Status.FAILED}})


def test_architecture_leads_to_the_one_diagram() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert "(state-machine.md)" in text
    assert "stateDiagram" not in text

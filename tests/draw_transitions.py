"""Draws the table of transitions into docs/state-machine.md: `python -m tests.draw_transitions`."""

from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path

from app.models.media import ACTIVE, TRANSITIONS, Status

PAGE = Path(__file__).parents[1] / "docs" / "state-machine.md"
BEGIN = "<!-- drawn from app/models/media.py by `make diagram` -->"
END = "<!-- end of the drawing -->"
ANY = "any state"
WORKING = "working"

Table = Mapping[Status, Iterable[Status]]
Arrow = tuple[str, str]

MEANINGS: dict[Arrow, str] = {
    (ANY, "pending"): "A person gives the scene another link: a new generation, which nobody has asked to store yet.",
    (ANY, "queued"): "A person asks to store it (first, anew, or again): a new generation. From a working state also "
    "under the same one, where the worker died (the attempt counts) or gives it back (it does not).",
    ("queued", "resolving"): "A worker claims it.",
    ("queued", "retrying"): "Its site is held back: it waits as long, with no attempt counted.",
    ("queued", "canceled"): "A person cancels it before it has begun.",
    ("retrying", "resolving"): "Its time has come, and a worker claims it.",
    ("retrying", "retrying"): "Its site is still held back: it waits longer.",
    ("retrying", "canceled"): "A person cancels it while it waits.",
    ("resolving", "downloading"): "What is at the link is known, and comes.",
    ("resolving", "processing"): "An earlier attempt had stored it already.",
    ("downloading", "uploading"): "Every byte is in the bucket; the object comes next.",
    ("uploading", "processing"): "The object is there.",
    ("processing", "ready"): "It is probed, and has its poster.",
    (WORKING, "retrying"): "The attempt failed for now; the next one has its time.",
    (WORKING, "failed"): "It failed for good, or for the last time.",
    (WORKING, "canceled"): "A person cancels it; the worker notices within a second.",
}


def arrows_of(table: Table) -> list[Arrow]:
    """The arrows to draw: what leads from every state, or from every working one, is one arrow."""
    targets = {source: frozenset(table[source]) for source in Status}
    anywhere = reduce(frozenset.__and__, targets.values())
    working = reduce(frozenset.__and__, (targets[source] for source in ACTIVE)) - anywhere
    drawn: list[Arrow] = [(ANY, target) for target in _in_order(anywhere)]
    for source in Status:
        own = targets[source] - anywhere - (working if source in ACTIVE else frozenset())
        drawn += [(source, target) for target in _in_order(own)]
    return drawn + [(WORKING, target) for target in _in_order(working)]


def _in_order(states: frozenset[Status]) -> list[Status]:
    return [state for state in Status if state in states]


def drawing(table: Table) -> str:
    """The diagram, and a sentence for each of its arrows. Raises `KeyError` for an arrow that has none."""
    arrows = arrows_of(table)
    inside = [(source, target) for source, target in arrows if {source, target} <= ACTIVE]
    outside = [arrow for arrow in arrows if arrow not in inside and arrow[0] != ANY]
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> pending", f"    state {WORKING} {{"]
    lines += [f"        {source} --> {target}" for source, target in inside]
    lines += ["    }", *(f"    {source} --> {target}" for source, target in outside), "```", ""]
    anywhere = " and ".join(f"`{target}`" for source, target in arrows if source == ANY)
    lines += [f"Not drawn: {anywhere} may follow every state.", ""] if anywhere else []
    lines += ["| from | to | when |", "|---|---|---|"]
    lines += [f"| {_name(source)} | `{target}` | {MEANINGS[source, target]} |" for source, target in arrows]
    return "\n".join(lines)


def _name(source: str) -> str:
    return source if source == ANY else f"`{source}`"


def redrawn(page: str, table: Table) -> str:
    """The page with the drawing of this table between its markers."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{drawing(table)}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(redrawn(PAGE.read_text(encoding="utf-8"), TRANSITIONS), encoding="utf-8")

"""Writes the generated sections of docs/reliability.md."""

import os
import platform
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tests.faults.figures import Figures
from tests.faults.history import History

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
RUNS_SHOWN = 3
Row = Mapping[str, Any]

_COLUMNS = (
    "#", "experiment", "size", "faults", "accepted", "ready", "failed", "lost", "duplicated", "orphaned",
    "wrong bytes", "slowest rescue", "time", "result",
)  # fmt: skip


def write_fault_run(rows: Sequence[Row], seconds: float, page: Path = PAGE) -> None:
    """Put the run on top of the section, above the two before it."""
    ordered = sorted(rows, key=lambda row: (row["number"], row["title"]))
    passed = all(row["passed"] for row in rows)
    lines = [
        f"### {_now()}: {'passed' if passed else 'failed'}, {seconds / 60:.0f} min, {_machine()}",
        "",
        _line(_COLUMNS),
        _line("---" for _ in _COLUMNS),
        *(_line(_cells(row)) for row in ordered),
        _line(_cells(_sum(ordered))),
    ]
    earlier = re.findall(r"^### .*?(?=^### |\Z)", _section(page, "faults"), re.MULTILINE | re.DOTALL)
    runs = ["\n".join(lines), *(run.strip() for run in earlier)][:RUNS_SHOWN]
    _put(page, "faults", "\n\n".join(runs))


def write_soak(history: History, figures: Figures, *, seed: int, minutes: float, page: Path = PAGE) -> None:
    """Replace the section by this run."""
    broken = len(history.broken) + len(figures.wrong)
    requests = ", ".join(f"{history.actions[name]} {name}" for name in ("accepted", "refused", "unanswered"))
    table = {
        "when": f"{_now()}, {minutes:g} minutes of load",
        "machine": _machine(),
        "seed": seed,
        "requests": requests,
        "faults injected": f"{history.faults.total()}: {_counted(history.faults)}",
        "scenes accepted": figures.accepted,
        "ready": figures.ready,
        "failed, by code": f"{figures.failed.total()}: {_counted(figures.failed)}" if figures.failed else 0,
        "canceled or deleted by people": figures.withdrawn,
        "lost": len(figures.lost),
        "duplicated": len(figures.duplicated),
        "orphaned": len(figures.orphaned),
        "wrong bytes": len(figures.wrong_bytes),
        "scenes whose worker was killed": len(history.rescues),
        "rescued after": _rescues(history.rescues),
        "anything else amiss": broken,
    }
    _put(page, "soak", "\n".join(["| | |", "|---|---|", *(_line(pair) for pair in table.items())]))


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _rescues(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.0f} s (median), {max(seconds):.1f} s (slowest)" if seconds else "none needed"


def _cells(row: Row) -> list[object]:
    slowest = row["slowest_rescue"]
    return [
        row["number"],
        row["title"],
        row["size"],
        row["faults"],
        row["accepted"],
        row["ready"],
        _counted(row["failed"]) or 0,
        row["lost"],
        row["duplicated"],
        row["orphaned"],
        row["wrong_bytes"],
        "" if slowest is None else f"{slowest:g} s",
        f"{row['seconds']:.0f} s",
        "passed" if row["passed"] else "failed",
    ]


def _sum(rows: Sequence[Row]) -> Row:
    counts = ("faults", "accepted", "ready", "lost", "duplicated", "orphaned", "wrong_bytes", "seconds")
    return {
        "number": "",
        "title": "all",
        "size": "",
        "failed": sum((Counter(row["failed"]) for row in rows), Counter()),
        "slowest_rescue": max(
            (row["slowest_rescue"] for row in rows if row["slowest_rescue"] is not None), default=None
        ),
        "passed": all(row["passed"] for row in rows),
        **{name: sum(row[name] for row in rows) for name in counts},
    }


def _section(page: Path, name: str) -> str:
    match = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page.read_text(encoding="utf-8"), re.DOTALL)
    if match is None:
        raise ValueError(f"{page} has no section {name}")
    return match[1]


def _put(page: Path, name: str, text: str) -> None:
    whole = page.read_text(encoding="utf-8")
    framed = f"<!-- {name} -->\n{{}}<!-- /{name} -->"
    page.write_text(whole.replace(framed.format(_section(page, name)), framed.format(f"{text}\n")), encoding="utf-8")

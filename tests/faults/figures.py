"""What a check counts, and what must be zero."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass
class Figures:
    """The outcome of one check; the lists name what is wrong, each entry one sentence."""

    accepted: int = 0
    ready: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Scenes that ended `failed`, by code."""
    withdrawn: int = 0
    """Scenes that a person canceled or deleted."""
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    wrong_bytes: list[str] = field(default_factory=list)

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def wrong(self) -> list[str]:
        """Everything that breaks the promise."""
        return [
            f"{kind}: {sentence}"
            for kind in ("lost", "duplicated", "orphaned", "wrong_bytes")
            for sentence in getattr(self, kind)
        ]

    def assert_holds(self) -> None:
        """Raise unless nothing is wrong."""
        assert not self.wrong, "\n".join(self.wrong)

    def counts(self) -> dict[str, Any]:
        """The figures alone, as a report shows them."""
        return {
            "accepted": self.accepted,
            "ready": self.ready,
            "failed": dict(self.failed),
            "withdrawn": self.withdrawn,
            "lost": len(self.lost),
            "duplicated": len(self.duplicated),
            "orphaned": len(self.orphaned),
            "wrong_bytes": len(self.wrong_bytes),
        }

"""Which scenes a soak had accepted, and how each may end after all that people did to it."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

from tests.faults.invariant import Accepted

JUST_NOW = 8
RECENT = 150


@dataclass
class Entry:
    """One scene. An `unsure` one is left alone: a request that got no answer may still be carried out."""

    project_id: str
    accepted: Accepted
    unsure: bool = False

    def may_end(self, *ends: str, link: str | None = None) -> None:
        """An accepted request: from now on this is what becomes of it."""
        self.accepted.ends = set(ends)
        if link:
            self.accepted.links = {link}

    def might_end(self, *ends: str, link: str | None = None) -> None:
        """A request without an answer: this, or what was expected before."""
        self.unsure = True
        self.accepted.ends |= set(ends)
        if link:
            self.accepted.links.add(link)


@dataclass
class Book:
    """The scenes by id, in the order they came; each is changed by one thread at a time."""

    entries: dict[str, Entry] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def add(self, project_id: str, scene_id: str, link: str, *, unsure: bool) -> None:
        with self.lock:
            self.entries[scene_id] = Entry(project_id, Accepted(scene_id, {link}), unsure)

    def of_project(self, project_id: str) -> list[Entry]:
        with self.lock:
            return [entry for entry in self.entries.values() if entry.project_id == project_id]

    def pick(self, choice: random.Random) -> Entry | None:
        """A scene that is there for sure; most often one that came just now, or lately."""
        with self.lock:
            entries = self.entries.values()
            there = [entry for entry in entries if not entry.unsure and "gone" not in entry.accepted.ends]
        if not there:
            return None
        [last] = choice.choices((JUST_NOW, RECENT, len(there)))
        return choice.choice(there[-last:])

    def accepted(self) -> Iterable[Accepted]:
        with self.lock:
            return [entry.accepted for entry in self.entries.values()]

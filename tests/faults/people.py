"""Who uses a service while it is being hurt: scenes at a steady rate, and everything else that people do to them."""

import random
import time
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, Literal

import httpx2

from app.demo.origin import Origin
from tests.faults.book import Book, Entry
from tests.faults.history import History
from tests.faults.sources import EXTRACTED, LARGE

Outcome = Literal["accepted", "refused", "unanswered"]

_TIMEOUT_SECONDS = 10.0
_SCENES_OF_A_PROJECT = 12
_SOURCES: tuple[tuple[int, str, dict[str, tuple[int, int]]], ...] = (
    (40, "photo.jpg", {}),
    (20, "clip.mp4", {}),
    (12, "loop.gif", {}),
    (8, "clip.mp4", {"rate": (40_000, 160_000)}),
    (4, LARGE, {"rate": (1_000_000, 3_000_000)}),
    (3, LARGE, {}),
    (4, "tail.mp4", {"chunked": (1, 1)}),
    (3, "photo.jpg", {"fail_first": (1, 1)}),
    (3, "status/404", {}),
    (2, "garbage.mp4", {}),
    (1, EXTRACTED, {}),
)
"""How often, what, and between which numbers the faults of the link lie."""


@dataclass
class Client:
    """Asks the API, whose answer may not come."""

    address: str
    _http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self._http = httpx2.Client(base_url=f"{self.address}/api/v1", timeout=_TIMEOUT_SECONDS)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[Outcome, dict[str, Any]]:
        """What became of the request, and the answer's body where it was accepted."""
        try:
            answer = self._http.request(method, path, json=body)
        except httpx2.ConnectError:
            return "refused", {}
        except httpx2.HTTPError:
            return "unanswered", {}
        if answer.status_code >= 500:
            return "unanswered", {}  # the database may have carried it out before it fell silent
        return ("accepted", answer.json()) if answer.is_success else ("refused", {})

    def close(self) -> None:
        self._http.close()


class Links:
    """Links of the origin, no two alike."""

    def __init__(self, origin: Origin, choice: random.Random) -> None:
        self._origin = origin
        self.choice = choice
        self._number = 0

    def next(self) -> str:
        [(_, name, faults)] = self.choice.choices(_SOURCES, weights=[weight for weight, *_ in _SOURCES])
        self._number += 1
        asked = {fault: self.choice.randint(*between) for fault, between in faults.items()}
        return self._origin.url(name, **asked, link=f"{id(self):x}-{self._number}")


@dataclass(frozen=True)
class Surroundings:
    """What everybody who uses the service during a soak shares."""

    address: str
    book: Book
    history: History
    stop: Event


class _Person(Thread):
    """Does something every so many seconds, until `stop` is set."""

    def __init__(self, name: str, surroundings: Surroundings, links: Links, pause: float) -> None:
        super().__init__(name=name, daemon=True)
        self._client = Client(surroundings.address)
        self._book = surroundings.book
        self._history = surroundings.history
        self._stopping = surroundings.stop
        self._links = links
        self._pause = pause

    def run(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(max(0, due - time.monotonic())):
            due = max(due + self._pause, time.monotonic())
            try:
                self.act()
            except Exception as error:  # noqa: BLE001 - whatever it is, the soak has to tell of it
                self._history.broke(f"{self.name}: {error!r}")
        self._client.close()

    def act(self) -> None:
        raise NotImplementedError

    def ask(self, kind: str, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[Outcome, Any]:
        outcome, answer = self._client.ask(method, path, body)
        self._history.action(kind, outcome, path=path, body=body)
        return outcome, answer


class Author(_Person):
    """Pastes one link after the other into a new scene and asks to store it."""

    def __init__(self, surroundings: Surroundings, links: Links, pause: float) -> None:
        super().__init__("author", surroundings, links, pause)
        self._scenes = 0
        self.project: str | None = None

    def act(self) -> None:
        if self.project is None or self._scenes >= _SCENES_OF_A_PROJECT:
            outcome, project = self.ask("project", "POST", "/projects", {"title": "A soak"})
            self.project, self._scenes = project["id"] if outcome == "accepted" else None, 0
        if self.project is None:
            return
        link = self._links.next()
        outcome, scene = self.ask("scene", "POST", f"/projects/{self.project}/scenes", {"source_url": link})
        if outcome != "accepted":
            return
        self._scenes += 1
        body = {"project_id": self.project, "scene_id": scene["id"]}
        outcome, _ = self.ask("store", "POST", "/media/store", body)
        self._book.add(self.project, scene["id"], link, unsure=outcome == "unanswered")


class Visitor(_Person):
    """Cancels, retries, replaces, deletes, and asks twice."""

    def __init__(self, surroundings: Surroundings, author: Author, links: Links, pause: float) -> None:
        super().__init__("visitor", surroundings, links, pause)
        self._author = author
        self._choice = links.choice
        self._deleted: list[tuple[str, dict[str, set[str]]]] = []
        """What can be restored under which path, and how each of its scenes might have ended."""
        self._acts = (
            (20, self._cancel),
            (15, self._retry),
            (15, self._replace),
            (12, self._delete_scene),
            (4, self._delete_project),
            (10, self._restore),
            (12, self._store_again),
            (12, self._force),
            (6, self._edit_link),
        )

    def act(self) -> None:
        [(_, act)] = self._choice.choices(self._acts, weights=[weight for weight, _ in self._acts])
        entry = self._book.pick(self._choice)
        if entry is not None:
            act(entry)

    def _settle(self, entry: Entry, outcome: Outcome, end: str, link: str | None = None) -> None:
        if outcome == "accepted":
            entry.may_end(end, link=link)
        elif outcome == "unanswered":
            entry.might_end(end, link=link)

    def _cancel(self, entry: Entry) -> None:
        outcome, _ = self.ask("cancel", "POST", f"/media/{entry.accepted.scene_id}/cancel")
        self._settle(entry, outcome, "canceled")

    def _retry(self, entry: Entry) -> None:
        outcome, _ = self.ask("retry", "POST", f"/media/{entry.accepted.scene_id}/retry")
        self._settle(entry, outcome, "stored")

    def _store(self, kind: str, entry: Entry, **more: Any) -> None:
        body = {"project_id": entry.project_id, "scene_id": entry.accepted.scene_id, **more}
        outcome, _ = self.ask(kind, "POST", "/media/store", body)
        self._settle(entry, outcome, "stored", more.get("url"))

    def _replace(self, entry: Entry) -> None:
        self._store("replace", entry, url=self._links.next())

    def _store_again(self, entry: Entry) -> None:
        self._store("store again", entry)

    def _force(self, entry: Entry) -> None:
        self._store("force", entry, force=True)

    def _edit_link(self, entry: Entry) -> None:
        link = self._links.next()
        outcome, _ = self.ask("edit link", "PATCH", f"/scenes/{entry.accepted.scene_id}", {"source_url": link})
        self._settle(entry, outcome, "stored", link)

    def _delete_scene(self, entry: Entry) -> None:
        self._take_away("delete", f"/scenes/{entry.accepted.scene_id}", [entry])

    def _delete_project(self, entry: Entry) -> None:
        if entry.project_id == self._author.project:
            return  # scenes are being added to it
        entries = [each for each in self._book.of_project(entry.project_id) if "gone" not in each.accepted.ends]
        self._take_away("delete project", f"/projects/{entry.project_id}", entries)

    def _take_away(self, kind: str, path: str, entries: list[Entry]) -> None:
        before = {entry.accepted.scene_id: set(entry.accepted.ends) for entry in entries}
        outcome, _ = self.ask(kind, "DELETE", path)
        for entry in entries:
            self._settle(entry, outcome, "gone")
        if outcome == "accepted":
            self._deleted.append((path, before))

    def _restore(self, _: Entry) -> None:
        """Take the latest deletion back, which may be too late for that."""
        if not self._deleted:
            return
        path, before = self._deleted.pop()
        outcome, _ = self.ask("restore", "POST", f"{path}/restore")
        for scene_id, ends in before.items():
            entry = self._book.entries[scene_id]
            if outcome == "accepted":
                entry.may_end(*ends)
            elif outcome == "unanswered":
                entry.might_end(*ends)

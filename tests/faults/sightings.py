"""A scene's document as it was seen again and again, and what one sighting says against another."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from app.core.database import DatabaseError, Document, Sync

_LOOK_SECONDS = 0.05


@dataclass
class Sightings:
    """The last sighting of each scene, and every contradiction found so far."""

    last: dict[str, Document] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    count: int = 0

    def note(self, scene: Document) -> None:
        before = self.last.get(scene["_id"])
        self.last[scene["_id"]] = scene
        self.count += 1
        if before is None:
            return
        if scene["version"] < before["version"]:
            self._contradict(scene, f"version {before['version']} was followed by {scene['version']}")
        elif scene["version"] == before["version"] and scene["media"] != before["media"]:
            self._contradict(scene, f"version {scene['version']} was seen with two contents")
        old, new = before["media"], scene["media"]
        if (new["generation"], new["attempt"]) < (old["generation"], old["attempt"]):
            self._contradict(scene, f"attempt {old['attempt']} was followed by {new['attempt']}")
        if new["generation"] != old["generation"]:
            return
        if new["attempts"][: len(old["attempts"])] != old["attempts"]:
            self._contradict(scene, "the record of an ended attempt was lost or changed")
        if old["status"] in {"ready", "failed"} and new != old:
            self._contradict(scene, f"{old['status']} was followed by {new['status']}")

    def _contradict(self, scene: Document, sentence: str) -> None:
        self.contradictions.append(f"{scene['_id']}: {sentence}")


@contextmanager
def watched(database: Sync) -> Iterator[Sightings]:
    """Look at all scenes until the block ends; a database that does not answer is asked again."""
    seen, done = Sightings(), Event()

    def look() -> None:
        while not done.wait(_LOOK_SECONDS):
            with suppress(DatabaseError):
                for scene in database["scenes"].find({}):
                    seen.note(scene)

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()

"""One experiment on one running service: what it was given, when a fault struck, and how it ended."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.core.database import Document
from app.demo.origin import Origin
from app.services.storage import keys
from tests.faults.figures import Figures
from tests.faults.invariant import Accepted, Checker
from tests.faults.rescue import next_sign
from tests.servers import wait_for
from tests.service import Service


@dataclass
class Experiment:
    """Stores scenes, notes faults, and ends with the check that all experiments share."""

    service: Service
    origin: Origin
    rounds: int
    """How often, how many or how many seconds, as the experiment's marker says."""
    note: Callable[[dict[str, Any]], None]
    accepted: dict[str, Accepted] = field(default_factory=dict)
    faults: int = 0
    _settled: Figures = field(default_factory=Figures)
    _rescues: list[float] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _struck: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._checker = Checker(self.service, self.origin)

    def store(self, name: str = "clip.mp4", **faults: int) -> Document:
        """A new scene, its storage requested, that counts as accepted from then on."""
        scene = self.service.store(self.origin.url(name, **faults))
        self.accepted[scene["id"]] = Accepted(scene["id"], {scene["media"]["source_url"]})
        return scene

    def request(self, scene: Document) -> float:
        """Request a scene's storage, which counts as accepted from then on; how many seconds the answer took."""
        began = time.monotonic()
        answer = self.service.request(scene)
        seconds = time.monotonic() - began
        assert answer.status_code == 202, answer.text
        self.accepted[scene["id"]] = Accepted(scene["id"], {scene["media"]["source_url"]})
        return seconds

    def struck(self, scenes: Iterable[Document] = ()) -> None:
        """A fault strikes now; the scenes that it leaves without a worker are to be rescued from now on."""
        self.faults += 1
        now = datetime.now(UTC)
        self._struck |= {scene["id"]: now for scene in scenes}

    def wait_ended(self, seconds: float) -> None:
        """Wait until every accepted scene is ready or failed."""
        ended = {"media.status": {"$in": ["ready", "failed"]}, "_id": {"$in": list(self.accepted)}}
        scenes = self.service.database["scenes"]
        wait_for(lambda: scenes.count_documents(ended) == len(self.accepted), seconds, "all scenes ended")

    def assert_ready_within(self, seconds: float) -> None:
        """Every scene that a fault struck was ready so soon after it."""
        for scene_id, at in self._struck.items():
            media = (self.service.document({"id": scene_id}) or {})["media"]
            assert media["status"] == "ready", media
            assert (media["status_at"] - at).total_seconds() <= seconds, media

    def settle(self) -> None:
        """Check what was stored so far, then take it out of the way: the bucket has no room for all of it at once."""
        self._settled += self._checker.check(self.accepted.values())
        self._rescues += self._rescue_seconds()
        for scene_id in self.accepted:
            project_id = (self.service.document({"id": scene_id}) or {})["project_id"]
            self.service.bucket.delete(list(self.service.bucket.keys(keys.scene_prefix(project_id, scene_id))))
        self.service.database["scenes"].delete_many({"_id": {"$in": list(self.accepted)}})
        self.accepted.clear()
        self._struck.clear()

    def assert_holds(self, *, end_seconds: float = 240, rescue_seconds: float = 90) -> Figures:
        """Check the promise, and that no rescue took longer; the figures go into the report in any case."""
        figures = self._settled + self._checker.check(self.accepted.values(), end_seconds=end_seconds)
        slowest = max(self._rescues + self._rescue_seconds(), default=None)
        seconds = round(time.monotonic() - self._began, 1)
        self.note(figures.counts() | {"faults": self.faults, "slowest_rescue": slowest, "seconds": seconds})
        figures.assert_holds()
        assert slowest is None or slowest <= rescue_seconds, f"a rescue took {slowest} s"
        return figures

    def _rescue_seconds(self) -> list[float]:
        """From each fault to the next claim of the scene, or its end; only of scenes that were in need."""
        seconds = []
        for scene_id, at in self._struck.items():
            scene = self.service.document({"id": scene_id})
            sign = next_sign(scene["media"], at) if scene else None
            seconds.append(round((sign - at).total_seconds(), 1) if sign else float("inf"))
        return seconds

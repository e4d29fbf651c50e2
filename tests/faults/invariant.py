"""The one promise that every experiment and the soak are checked against.

Every accepted scene ends `ready`, or `failed` with a code; it has exactly one original, whose bytes are its source's;
and no object, multipart upload, scratch folder or process is left that no scene owns.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from app.core.database import Document
from app.demo.origin import Origin
from app.services.storage import keys
from tests.faults.figures import Figures
from tests.faults.leftovers import orphaned_processes, scratch_folders
from tests.faults.sources import EXTRACTED
from tests.service import Service

_ENDED = frozenset({"ready", "failed", "canceled"})
_POLL_SECONDS = 0.3
_ROOT = keys.ROOT


@dataclass
class Accepted:
    """A scene that the API accepted, and how it may end.

    More than one link or end is possible where a request got no answer: it was carried out, or it was not.
    """

    scene_id: str
    links: set[str]
    ends: set[str] = field(default_factory=lambda: {"stored"})
    """`stored` (which includes a failure with its code), `canceled` or `gone`."""


@dataclass
class Checker:
    """Checks one service, whose sources are all served by one origin."""

    service: Service
    origin: Origin
    began: float = field(default_factory=time.time)
    _digests: dict[str, str] = field(default_factory=dict)

    def check(self, accepted: Iterable[Accepted], *, end_seconds: float = 60, settle_seconds: float = 45) -> Figures:
        """Wait for every scene to end and for the cleaning up, each no longer than this; then count."""
        expected = {item.scene_id: item for item in accepted}
        self._wait_for_ends(end_seconds)
        orphaned = self._wait_until_clean(settle_seconds)
        scenes = self._scenes()
        figures = Figures(accepted=len(expected), orphaned=orphaned)
        for item in expected.values():
            self._count_end(item, scenes.get(item.scene_id), figures)
        stored = self._objects()
        for scene in scenes.values():
            self._check_scene(scene, stored[scene["_id"]], figures)
        return figures

    def _scenes(self) -> dict[str, Document]:
        return {scene["_id"]: scene for scene in self.service.database["scenes"].find({})}

    def _objects(self) -> defaultdict[str, list[str]]:
        """The keys of the bucket, by scene; what is of no scene's naming under an empty id."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for key in self.service.bucket.keys(""):
            found[keys.scene_of(key) or ""].append(key)
        return found

    def _wait_for_ends(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            scenes = self._scenes().values()
            if not any(scene["deletion"] or _status(scene) not in {*_ENDED, None} for scene in scenes):
                return
            time.sleep(_POLL_SECONDS)

    def _wait_until_clean(self, seconds: float) -> list[str]:
        """What is still orphaned after so long."""
        rung: set[str] = set()
        deadline = time.monotonic() + seconds
        while True:
            scenes = self._scenes()
            strays = self._strays(scenes)
            settings = self.service.settings
            others = scratch_folders(settings.scratch_dir) + orphaned_processes(settings, self.began)
            if not (strays or others) or time.monotonic() > deadline:
                return [sentence for sentences in strays.values() for sentence in sentences] + others
            for scene_id in strays.keys() - rung:
                if (scenes.get(scene_id) or {}).get("sweep"):  # known to the system, which would wait minutes
                    self.service.ring_for_sweep(scene_id)
                    rung.add(scene_id)
            time.sleep(_POLL_SECONDS)

    def _strays(self, scenes: Mapping[str, Document]) -> dict[str, list[str]]:
        """Objects and uploads that no scene owns, by scene."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for scene_id, names in self._objects().items():
            owned = _owned(scenes.get(scene_id))
            found[scene_id] += [f"the object {key}" for key in names if key not in owned]
        for upload in self.service.bucket.open_uploads(""):
            found[keys.scene_of(upload.key) or ""].append(f"the open upload {upload.key} {upload.upload_id}")
        return {scene_id: sentences for scene_id, sentences in found.items() if sentences}

    def _count_end(self, item: Accepted, scene: Document | None, figures: Figures) -> None:
        status = _status(scene) if scene and not scene["deletion"] else "gone"
        media = (scene or {}).get("media") or {}
        code = (media.get("error") or {}).get("code")
        told = f"{item.scene_id} is {status}, {_last(media)}"
        match status:
            case "gone" | "canceled":
                figures.withdrawn += 1
                wrong = status not in item.ends or (scene is not None and status == "gone")
            case "ready":
                figures.ready += 1
                wrong = "stored" not in item.ends
            case "failed":
                figures.failed[code or "no code"] += 1
                wrong = "stored" not in item.ends or code is None
            case _:
                wrong = True
        if wrong or (status != "gone" and media["source_url"] not in item.links):
            figures.lost.append(f"{told}; expected {sorted(item.ends)} of {sorted(item.links)}")

    def _check_scene(self, scene: Document, objects: list[str], figures: Figures) -> None:
        media = scene["media"] or {}
        originals = [key for key in objects if key.rpartition("/")[2].startswith("original.")]
        if len(originals) > 1:
            figures.duplicated.append(f"{scene['_id']} has {originals}")
        outcomes = [attempt["outcome"] for attempt in media.get("attempts", ())]
        if outcomes.count("ready") > 1:
            figures.duplicated.append(f"{scene['_id']} was stored more than once: {outcomes}")
        numbers = [attempt["n"] for attempt in media.get("attempts", ())]
        if len(set(numbers)) != len(numbers):
            figures.duplicated.append(f"{scene['_id']} has an attempt twice: {numbers}")
        if scene["deletion"] or _status(scene) != "ready":
            return
        missing = _owned(scene) - set(objects)
        if missing:
            figures.lost.append(f"{scene['_id']} is ready without {sorted(missing)}")
        elif not self._bytes_are_right(media):
            figures.wrong_bytes.append(f"{scene['_id']} does not hold the bytes of {media['source_url']}")

    def _bytes_are_right(self, media: Document) -> bool:
        digest = sha256()
        for chunk in self.service.bucket.stream(media["original"]["key"]):
            digest.update(chunk)
        found = digest.hexdigest()
        path = unquote(urlsplit(media["source_url"]).path).lstrip("/")
        if path != EXTRACTED and path not in self._digests:
            self._digests[path] = self.origin.sha256(path)
        return media["original"]["checksum"] == f"sha256:{found}" and self._digests.get(path, found) == found


def _status(scene: Document) -> str | None:
    return str(scene["media"]["status"]) if scene["media"] else None


def _last(media: Document) -> str:
    return f"attempt {media.get('attempt')}, attempts {[a['outcome'] for a in media.get('attempts', ())]}"


def _owned(scene: Document | None) -> set[str]:
    """What may lie in the bucket for a scene that has ended: its original and its poster, where it is ready."""
    if scene is None or scene["deletion"] or _status(scene) != "ready":
        return set()
    media = scene["media"]
    generation = keys.generation_prefix(scene["project_id"], scene["_id"], media["generation"])
    extension = media["original"]["key"].rpartition(".")[2]
    return {f"{generation}original.{extension}"} | ({f"{generation}poster.webp"} if media["poster"] else set())


def failures_by_code(figures: Iterable[Figures]) -> Counter[str]:
    """All failures of several checks."""
    return sum((item.failed for item in figures), Counter())

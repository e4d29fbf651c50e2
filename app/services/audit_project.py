"""The audit of one project: its scenes' documents against each other and against what lies in the bucket."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import groupby
from math import isinf

from app.core.database import Document
from app.crud import crud_audit
from app.crud.crud_scene import find_scene_sync
from app.models.media import Status
from app.services.audit_finding import Auditor, Finding, Kind
from app.services.audit_states import mended, problems, remedy
from app.services.storage import keys
from app.services.storage.bucket import ListedObject
from app.services.sweep import Ownership, sweep_scene


class ProjectAudit:
    """Holds, of each scene of the project, what it owns; no more of the documents, and nothing of the bucket."""

    def __init__(self, auditor: Auditor, project_id: str, *, exists: bool) -> None:
        self._auditor = auditor
        self._project_id = project_id
        self._exists = exists
        self._owners: dict[str, Ownership | None] = {}
        self._expected: dict[str, tuple[str, int | None]] = {}
        """By key: whose it is, and its bytes where the document tells them."""

    def run(self, scenes: Iterable[Document], objects: Iterable[ListedObject]) -> Iterator[Finding]:
        """What is wrong with the project, given its documents and what lies under its prefix."""
        for scene in scenes:
            self._auditor.counts.scenes += 1
            yield from self._check_state(scene)
        yield from self._check_objects(objects)
        for key in list(self._expected):
            yield from self._check_missing(key)

    def _check_state(self, scene: Document) -> Iterator[Finding]:
        if problems(scene, project_exists=self._exists):
            now = find_scene_sync(self._auditor.database, scene["_id"])
            exists = self._exists or crud_audit.has_project(self._auditor.database, self._project_id)
            if now is None:
                return
            scene = now
            if found := problems(scene, project_exists=exists):
                finding = Finding(
                    Kind.IMPOSSIBLE_STATE,
                    scene["_id"],
                    _stored_bytes(scene),
                    "; ".join(found),
                    remedy(scene, project_exists=exists),
                )
                yield self._auditor.settle(finding, partial(self._mend_state, scene["_id"], project_exists=exists))
                scene = find_scene_sync(self._auditor.database, scene["_id"]) or scene
        self._remember(scene)

    def _mend_state(self, scene_id: str, *, project_exists: bool) -> None:
        def change(scene: Document, now: datetime) -> Document | None:
            generation = self._last_generation(scene)
            return mended(scene, generation, self._auditor.settings, now, project_exists=project_exists)

        self._mend(scene_id, change)

    def _mend(self, scene_id: str, change: crud_audit.Change) -> None:
        """Mend the document, and remove the files that it owns no longer."""
        if crud_audit.mend(self._auditor.database, scene_id, change):
            sweep_scene(self._auditor.database, self._auditor.bucket, self._project_id, scene_id)

    def _last_generation(self, scene: Document) -> int:
        """The highest generation that the scene ever had; read from its files where the document does not tell."""
        media = scene["media"] if isinstance(scene.get("media"), dict) else {}
        known = [media.get("generation"), scene.get("last_generation")]
        if isinstance(known[0], int | float):
            return max(map(crud_audit.whole, known))
        prefix = keys.scene_prefix(self._project_id, scene["_id"])
        heads = (key.removeprefix(prefix).partition("/")[0] for key in self._auditor.bucket.keys(prefix))
        return max([crud_audit.whole(known[1]), *(int(head) for head in heads if head.isdigit())])

    def _remember(self, scene: Document) -> None:
        self._owners[scene["_id"]] = self._auditor.judge(self._project_id, scene["_id"], scene)
        self._expected |= {key: (scene["_id"], size) for key, size in _named_objects(scene).items()}

    def _check_objects(self, objects: Iterable[ListedObject]) -> Iterator[Finding]:
        for scene_id, items in groupby(self._suspects(objects), key=lambda item: keys.scene_of(item.key)):
            if scene_id is None:
                for item in items:
                    yield from stray(self._auditor, item)
            else:
                yield from self._check_orphans(scene_id, list(items))

    def _suspects(self, objects: Iterable[ListedObject]) -> Iterator[ListedObject]:
        """What seems to be owned by nobody; what is found in its place is struck off."""
        for item in objects:
            if item.key in self._expected and self._expected[item.key][1] in {None, item.bytes}:
                del self._expected[item.key]
            if not self._auditor.is_young(item.modified) and not self._is_owned(item.key):
                yield item

    def _is_owned(self, key: str) -> bool:
        scene_id = keys.scene_of(key)
        if scene_id is None or scene_id not in self._owners:
            return False
        owner = self._owners[scene_id]
        return owner is None or owner.owns(key, upload=False)

    def _check_orphans(self, scene_id: str, items: list[ListedObject]) -> Iterator[Finding]:
        auditor = self._auditor
        owner = auditor.owner_of(self._project_id, scene_id)
        for item in items:
            if owner is None or owner.owns(item.key, upload=False):
                continue
            stored = auditor.bucket.head(item.key)
            if stored is not None:
                detail = "its scene is gone" if isinf(owner.generation) else "its scene does not own it"
                finding = Finding(Kind.ORPHAN_OBJECT, item.key, stored.bytes, detail, "delete it")
                yield auditor.settle(finding, partial(auditor.bucket.delete, [item.key]))

    def _check_missing(self, key: str) -> Iterator[Finding]:
        """The bucket first, the document after it: one that still names the key then has lost it."""
        scene_id, _ = self._expected[key]
        stored = self._auditor.bucket.head(key)
        scene = find_scene_sync(self._auditor.database, scene_id)
        named = _named_objects(scene) if scene is not None else {}
        if scene is None or key not in named:
            return
        size = named[key]
        if stored is not None and size in {None, stored.bytes}:
            return
        original = _is_original(scene, key)
        seen = "is not in the bucket" if stored is None else f"has {stored.bytes} bytes instead of {size}"
        queue = "store it again from its link" if scene["media"]["source_url"] else "remove its media"
        finding = Finding(
            Kind.MISSING_OBJECT,
            key,
            size or 0,
            f"the {'original' if original else 'poster'} of scene {scene_id} {seen}",
            queue if original else "show no poster",
        )
        yield self._auditor.settle(finding, partial(self._mend_missing, scene_id, key))

    def _mend_missing(self, scene_id: str, key: str) -> None:
        def change(scene: Document, now: datetime) -> Document | None:
            if key not in _named_objects(scene):
                return None
            if not _is_original(scene, key):
                return {"media": {**scene["media"], "poster": None}}
            return crud_audit.queued_anew(scene, self._last_generation(scene), self._auditor.settings, now)

        self._mend(scene_id, change)


def stray(auditor: Auditor, item: ListedObject) -> Iterator[Finding]:
    """An object among ours whose key is not of our making, unless it is gone by now.

    A key that ends in `/` and holds nothing is how some tools show an empty folder.
    """
    folder = item.key.endswith("/") and not item.bytes
    stored = None if folder or auditor.is_young(item.modified) else auditor.bucket.head(item.key)
    if stored is not None:
        finding = Finding(Kind.STRAY_OBJECT, item.key, stored.bytes, "no scene can own such a key", "delete it")
        yield auditor.settle(finding, partial(auditor.bucket.delete, [item.key]))


def _named_objects(scene: Document) -> dict[str, int | None]:
    """The objects that a ready scene says it has, with their bytes where it tells them."""
    media = scene.get("media")
    if scene.get("deletion") or not isinstance(media, dict) or media.get("status") != Status.READY:
        return {}
    parts = [part for part in (media.get("original"), media.get("poster")) if isinstance(part, dict)]
    return {part["key"]: part.get("bytes") for part in parts if part.get("key")}


def _is_original(scene: Document, key: str) -> bool:
    original = scene["media"].get("original")
    return bool(original) and original.get("key") == key


def _stored_bytes(scene: Document) -> int:
    return sum(size or 0 for size in _named_objects(scene).values())

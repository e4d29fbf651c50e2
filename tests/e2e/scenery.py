"""A project with thirty scenes in every state, which stay in it for as long as somebody looks."""

import subprocess
from copy import deepcopy
from pathlib import Path

import imageio_ffmpeg
from fractional_indexing import generate_n_keys_between
from uuid_utils import uuid7

from app.demo.origin import Origin
from app.demo.samples import make_samples
from tests.servers import eventually
from tests.stack import RunningStack

LASTING = {
    "TAKEUP_CONCURRENCY": "4",
    "TAKEUP_RETRY_BASE_SECONDS": "90",
    "TAKEUP_READ_TIMEOUT_SECONDS": "600",
    "TAKEUP_TRASH_SECONDS": "30",
}
"""Settings under which a scene that is retried, or that stalls, stays so."""

_PLAIN = "gradients=size=1280x720:rate=10"
_CLIPS = {
    "harbour-at-dusk.mp4": f"{_PLAIN}:duration=12:speed=0.02:seed=7:c0=0x20304f:c1=0xd9704a:c2=0xf2c68a",
    "ferry-crossing.mp4": f"{_PLAIN}:duration=34:speed=0.01:seed=3:c0=0x0d3b52:c1=0x3f8fa3:c2=0xd8ecec",
    "lighthouse.mp4": f"{_PLAIN}:duration=8:type=radial:x0=900:y0=200:c0=0xf6e7b4:c1=0x27425e:c2=0x0d1b2a:seed=1",
    "market-hall.webm": f"{_PLAIN}:duration=9:speed=0.03:seed=12:c0=0x4a1f2b:c1=0xc9503c:c2=0xf6d365",
    "nets.mp4": f"{_PLAIN}:duration=6:type=spiral:speed=0.02:seed=4:c0=0x2f4b45:c1=0xc9d5b5:c2=0x5f8575",
    "fog.mp4": "gradients=size=720x1280:rate=10:duration=15:speed=0.01:seed=9:c0=0xaeb8bd:c1=0xe6e2da:c2=0x6f7f86",
    "first-light.mp4": f"{_PLAIN}:duration=21:speed=0.02:seed=5:c0=0x16213e:c1=0xe94560:c2=0xfbd6a2",
}
_STILLS = {
    "map-of-the-quay.jpg": "gradients=size=1600x1200:seed=2:c0=0xe8dcc0:c1=0x8fae9b:c2=0x3b5b66",
    "rope.jpg": "cellauto=size=1600x1000:rule=110:full=1:stitch=1:random_seed=3",
}
_TONES = {"gulls.mp3": "sine=frequency=740:duration=31", "church-bells.mp3": "sine=frequency=196:duration=95"}
_LONG = "rehearsal.mp4"
_QUICKLY = ("-pix_fmt", "yuv420p", "-preset", "ultrafast", "-cpu-used", "8", "-deadline", "realtime")


def make_media(folder: Path) -> None:
    """Files with names and pictures that one can look at, beside the samples."""
    make_samples(folder)
    for name, pattern in {**_CLIPS, **_TONES}.items():
        _make("-f", "lavfi", "-i", pattern, *_QUICKLY, folder / name)
    for name, pattern in _STILLS.items():
        _make("-f", "lavfi", "-i", pattern, "-frames:v", "1", "-update", "1", folder / name)
    with (folder / _LONG).open("wb") as file:
        file.write((folder / "harbour-at-dusk.mp4").read_bytes())
        file.truncate(48_000_000)


def _make(*arguments: str | Path) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *arguments], check=True)


def multiply(stack: RunningStack, project: str, count: int) -> None:
    """Copies of the project's one stored scene, as far as the page can tell, up to so many."""
    [scene] = stack.database["scenes"].find({"project_id": project})
    places = generate_n_keys_between(scene["position"], None, n=count - 1)
    stack.database["scenes"].insert_many(
        deepcopy(scene) | {"_id": str(uuid7()), "position": position} for position in places
    )


class Scenery:
    """What the pages show: made once, in this order, and then left as it is."""

    def __init__(self, service: RunningStack, origin: Origin) -> None:
        self.service = service
        self._origin = origin
        self.harbour = self._project("Autumn in the harbour")
        self.empty = self._project("Interviews")
        self._fill(self._project("Market day"), [*list(_CLIPS)[2:], *_STILLS])
        self._fill_harbour()

    def _project(self, title: str) -> str:
        made: str = self.service.http.post("/projects", json={"title": title}).raise_for_status().json()["id"]
        return made

    def add(self, project: str, *links: str, text: str = "") -> list[str]:
        """Scenes with these links, asked to be stored; their ids."""
        ids = []
        for link in links:
            body = {"source_url": link, "text": text}
            scene = self.service.http.post(f"/projects/{project}/scenes", json=body).raise_for_status().json()
            self.service.request(scene).raise_for_status()
            ids.append(scene["id"])
        return ids

    def _fill(self, project: str, names: list[str]) -> list[str]:
        ids = self.add(project, *map(self._origin.url, names))
        self.expect(ids, "ready")
        return ids

    def expect(self, ids: list[str], *states: str) -> None:
        eventually(
            lambda: all(self.service.http.get(f"/media/{scene}").json()["status"] in states for scene in ids),
            seconds=90,
            what=f"{states}",
        )

    def _fill_harbour(self) -> None:
        url, project, service = self._origin.url, self.harbour, self.service
        self.ready = self._fill(project, [*_CLIPS, *_STILLS, *_TONES, "clip.mp4", "tone.mp3", "loop.gif"])
        self.failed = self.add(project, url("status/404"), url("garbage.mp4"), url("page"), url("status/403"))
        self.expect(self.failed, "failed")
        retried = self.add(project, url("quay-in-rain.mp4", fail_first=9), url("status/503", retry_after=80))
        self.expect(retried, "retrying")
        self.active = self.add(
            project,
            url(_LONG, rate=60_000, noranges=1),
            url(_LONG, rate=25_000, chunked=True),
            url(_LONG, stall_after=9_000_000, noranges=1),
            url(_LONG, rate=110_000, noranges=1, take=2),
        )
        self.expect(self.active, "downloading")
        waiting = [url(name, take=2) for name in ("harbour-at-dusk.mp4", "nets.mp4", "rope.jpg")]
        self.add(project, *waiting, url("fog.mp4"))
        canceled = self.add(project, url("ferry-crossing.mp4", take=3))
        for scene in canceled:
            service.http.post(f"/media/{scene}/cancel").raise_for_status()
        service.http.post(f"/projects/{project}/scenes", json={"text": "Title card: Autumn"}).raise_for_status()
        first = service.http.get(f"/scenes/{self.ready[0]}").json()
        service.http.patch(f"/scenes/{first['id']}", json={"text": "Opens the film. Hold for four seconds."})

"""The ffmpeg path: what an extraction child can start, handed each link as an argument and inside a local file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from imageio_ffmpeg import get_ffmpeg_exe

from app.services.fetch.fence import NetworkFence
from app.services.fetch.guard import Guard
from tests.security.addresses import NOWHERE, Entry

_HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
_FILES = {
    "list.m3u8": _HLS + "#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n",
    "key.m3u8": _HLS + '#EXT-X-KEY:METHOD=AES-128,URI="{}"\n#EXTINF:2.0,\nx.ts\n#EXT-X-ENDLIST\n',
    "list.ffconcat": "ffconcat version 1.0\nfile '{}'\n",
}
_EVERYTHING = "file,pipe,http,https,httpproxy,tcp,udp,tls,crypto,data,concat,subfile,ftp,rtmp,gopher,hls"
_SECONDS = 3.0


class FfmpegPath:
    """Asks a fenced process to start ffmpeg; the answer is `vetoed`, `ran`, or what it died of."""

    def __init__(self, folder: Path, *, fenced: bool = True) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder), *(["fenced"] if fenced else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def attempt(self, entry: Entry) -> str:
        """Both the entry's link and where that leads: what ffmpeg may be handed, and what it may find by itself."""
        return min(self._attempt(link) for link in {entry.link, entry.to} - {NOWHERE})  # `ran` where one did

    def _attempt(self, link: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(link) + "\n")
        self._process.stdin.flush()
        return str(json.loads(self._process.stdout.readline()))


def _run(*arguments: str) -> bool:
    """Whether ffmpeg was started at all."""
    command: list[Any] = [get_ffmpeg_exe(), "-v", "error", "-nostdin", *arguments, "-t", "1", "-f", "null", "-"]
    try:
        subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return True
    except Exception:  # noqa: BLE001 - whatever the fence raises
        return False
    return True


def _serve(folder: Path, *, fenced: bool) -> None:
    if fenced:
        NetworkFence(Guard(), "").raise_up()
    for line in sys.stdin:
        link = json.loads(line)
        started = _run("-i", link)
        for name, text in _FILES.items():
            (folder / name).write_text(text.format(link))
            allow = ("-allowed_extensions", "ALL") if name.endswith("m3u8") else ("-safe", "0")
            _run("-protocol_whitelist", _EVERYTHING, *allow, "-i", f"file:{folder / name}")
        sys.stdout.write(json.dumps("ran" if started else "vetoed") + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), fenced="fenced" in sys.argv)

"""The origin of the list's redirects and documents, and of the media that some of them show."""

from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from threading import Thread
from typing import Any

from tests.security.addresses import ORIGIN_PORT, PUBLIC, Page

_PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n/segment.ts\n#EXT-X-ENDLIST\n"
_PAGE = b'<html><title>x</title><body><video src="/clip.mp4" type="video/mp4"></video></body></html>'
_HTML = {"Content-Type": "text/html"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer looks its own name up


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, pages: dict[str, Page], *more: Any) -> None:
        self._pages = pages
        super().__init__(*more)

    def do_GET(self) -> None:
        page = self._pages.get(self.path.lstrip("/").partition("?")[0], Page(404, {}, b""))
        self.send_response(page.status)
        for name, value in {**page.headers, "Content-Length": str(len(page.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)

    do_HEAD = do_GET  # noqa: N815 - the base class looks for this name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def serve(pages: dict[str, Page], samples: Path) -> None:
    """Serve for as long as the process lives."""
    media = {
        "page": Page(200, _HTML, _PAGE),
        "segment.m3u8": Page(200, {"Content-Type": "application/vnd.apple.mpegurl"}, _PLAYLIST),
        "segment.ts": Page(200, {"Content-Type": "video/mp2t"}, (samples / "hls/segment0.ts").read_bytes()),
        "clip.mp4": Page(200, {"Content-Type": "video/mp4"}, (samples / "tail.mp4").read_bytes()),
    }
    server = _Server((PUBLIC, ORIGIN_PORT), partial(_Handler, {**pages, **media}))
    Thread(target=server.serve_forever, daemon=True).start()

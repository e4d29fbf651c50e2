"""An HTTP/1.1 origin on loopback that serves real media, well or badly, as each link asks.

/clip.mp4?rate=100000             any file of the folder; app.demo.faults.Faults is what a query can ask for
/bytes/N  /bytes/N.mp4            N pseudo-random bytes, never stored; .mp4 begins as an MP4 does
/garbage.mp4                      begins as an MP4 does and cannot be decoded
/empty  /html-as-video            no bytes, or a page of HTML, both sent as video/mp4
/endless                          video/mp4 in chunks, for ever
/page                             article.html
/status/N?retry_after=S           that status
/redirect?to=URL&code=302         /redirect/loop leads to itself
"""

import socket
from contextlib import suppress
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

from app.demo.answers import AnswerHandler, Site
from app.demo.bodies import find_body

_POLL_S = 0.02


class Origin:
    """Serves `folder` from `host`, on a free port if none is named, until closed or its `with` ends.

    Paths are named without their leading slash: `origin.url("clip.mp4")`, `origin.requests["clip.mp4"]`.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        """Bind and start at once. Raises OSError if the port is taken."""
        self.folder = folder
        self._site = Site(folder)
        self._server = _Server((host, port), partial(AnswerHandler, self._site))
        self.host = host
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL_S,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def url(self, path: str = "", **query: str | int) -> str:
        """Return the address of a path, with the faults wanted: `origin.url("clip.mp4", rate=100_000)`."""
        address = f"http://{self.host}:{self.port}/{quote(path.lstrip('/'))}"
        asked = {name: int(value) if isinstance(value, bool) else value for name, value in query.items()}
        return f"{address}?{urlencode(asked)}" if asked else address

    def sha256(self, path: str) -> str:
        """SHA-256 of what a faultless request of `path` gives, in hexadecimal.

        Raises FileNotFoundError where nothing is served, ValueError for what never ends.
        """
        return find_body(self._site.folder, path.lstrip("/")).sha256()

    @property
    def requests(self) -> dict[str, int]:
        """Requests so far, by path; a path that nobody asked for is not in it."""
        with self._site.lock:
            return dict(self._site.requests)

    @property
    def bytes_sent(self) -> dict[str, int]:
        """Body bytes handed to the network so far, by path."""
        with self._site.lock:
            return dict(self._site.bytes_sent)

    def close(self) -> None:
        """Stop listening and break every connection, stalled ones too. Closing twice is harmless."""
        self._site.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.break_connections()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        self._connections: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # HTTPServer looks its own name up here, which takes seconds where there is no name server.
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def break_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # its client was faster
                    connection.shutdown(socket.SHUT_RDWR)

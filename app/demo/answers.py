"""How the demo origin answers one connection's requests."""

import socket
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer
from threading import Event, Lock
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from app.demo.bodies import NO_END, Body, Pieces, find_body
from app.demo.faults import (
    Faults,
    UnsatisfiableRangeError,
    content_disposition,
    cut,
    paced,
    requested_span,
)

_LOOK_FOR_CLIENT_S = 0.1


@dataclass
class Site:
    """What all connections of an origin share; the counters are read and written under the lock."""

    folder: Path
    closing: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)
    requests: Counter[str] = field(default_factory=Counter)
    bytes_sent: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)


class AnswerHandler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, with HTTP/1.1 keep-alive, as `app.demo.origin` describes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    connection: socket.socket

    def __init__(
        self,
        site: Site,
        request: socket.socket,
        address: tuple[str, int],
        server: BaseServer,
    ) -> None:
        self.site = site
        super().__init__(request, address, server)

    def handle(self) -> None:
        """Answer until either side leaves."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the origin runs inside other programs."""

    def do_GET(self) -> None:
        """Answer one request, its faults included."""
        address = urlsplit(self.path)
        name = unquote(address.path).lstrip("/")
        query = dict(parse_qsl(address.query))
        with self.site.lock:
            self.site.requests[name] += 1
            self.site.attempts[self.path] += 1
            attempt = self.site.attempts[self.path]
        try:
            faults = Faults.from_query(query)
            if faults.delay_ms and self.site.closing.wait(faults.delay_ms / 1000):
                raise ConnectionAbortedError("the origin is closing")
            if attempt <= faults.fail_first:
                self._say(503, query)
            elif name.startswith("status/"):
                self._say(int(name.removeprefix("status/")), query)
            elif name == "redirect/loop":
                self._say(302, {"to": "/redirect/loop"})
            elif name == "redirect":
                self._say(int(query.get("code", "302")), query)
            else:
                self._serve(find_body(self.site.folder, name), name, faults)
        except FileNotFoundError:
            self._say(404, {})
        except ValueError as error:
            self._say(400, {}, str(error))

    do_HEAD = do_GET  # noqa: N815 - the base class looks for this name

    def _say(self, status: int, query: dict[str, str], reason: str = "") -> None:
        bare = status in {204, 304}
        content = b"" if bare else f"{status} {reason or self.responses.get(status, ('',))[0]}\n".encode()
        self.send_response(status)
        if "retry_after" in query:
            self.send_header("Retry-After", query["retry_after"])
        if "to" in query:
            self.send_header("Location", quote(query["to"], safe="%/:=&?~#+!$,;'@()*[]"))
        if not bare:
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _serve(self, body: Body, name: str, faults: Faults) -> None:
        offered = "gzip" in self.headers.get("Accept-Encoding", "")
        if faults.gzip and offered and body.length is not None:
            body = body.gzipped()
        chunked = faults.chunked or body.length is None
        ranges = not (chunked or faults.noranges or body.encoding)
        try:
            span = self._span(body) if ranges else None
        except UnsatisfiableRangeError:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{body.length}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, stop = span or (0, NO_END if body.length is None else body.length)
        self.send_response(206 if span else 200)
        if span:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{body.length}")
        if ranges:
            self.send_header("Accept-Ranges", "bytes")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(stop - start))
        self._describe(body, faults)
        self.end_headers()
        if self.command != "HEAD":
            self._send(body.read(start, stop), stop - start, name, faults, chunked=chunked)

    def _describe(self, body: Body, faults: Faults) -> None:
        self.send_header("Content-Type", faults.type or body.content_type)
        self.send_header("ETag", body.etag)
        self.send_header("Last-Modified", self.date_time_string(int(body.modified)))
        if body.encoding:
            self.send_header("Content-Encoding", body.encoding)
        if faults.gzip:
            self.send_header("Vary", "Accept-Encoding")
        if faults.disposition is not None:
            self.send_header("Content-Disposition", content_disposition(faults.disposition))

    def _span(self, body: Body) -> tuple[int, int] | None:
        condition = self.headers.get("If-Range")
        current = (body.etag, self.date_time_string(int(body.modified)))
        if self.command != "GET" or body.length is None or (condition and condition not in current):
            return None
        return requested_span(self.headers.get("Range"), body.length)

    def _send(self, pieces: Pieces, length: int, name: str, faults: Faults, *, chunked: bool) -> None:
        limit = faults.cut_at
        early = limit is not None and limit < length
        if limit is not None:
            pieces = cut(pieces, limit)
        if faults.rate is not None:
            pieces = paced(pieces, faults.rate, self.site.closing)
        for piece in pieces:
            if not piece:
                continue  # an empty chunk would be the last one
            with self.site.lock:
                self.site.bytes_sent[name] += len(piece)
            self.wfile.write(b"".join((b"%x\r\n" % len(piece), piece, b"\r\n")) if chunked else piece)
        if early:
            self.close_connection = True
            if faults.stalls:
                self._wait_for_the_client_to_leave()
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _wait_for_the_client_to_leave(self) -> None:
        while not self.site.closing.wait(_LOOK_FOR_CLIENT_S):
            try:
                if not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    return
            except BlockingIOError:
                continue

"""A front for an S3 that passes requests on as they were signed, and may refuse or watch them."""

import http.client
import re
import ssl
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_PASSED_BACK = re.compile(r"(?i)etag|content-|last-modified|x-amz-|accept-ranges")


@dataclass(frozen=True)
class S3Request:
    """What a client asks of the bucket."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    @property
    def sends_part(self) -> bool:
        return self.method == "PUT" and "partNumber" in self.query

    @property
    def completes_upload(self) -> bool:
        return self.method == "POST" and "uploadId" in self.query


class S3Front:
    """Serves the S3 at `upstream` from an address of its own; over TLS where it has a certificate."""

    def __init__(self, upstream: str, certificate: Path | None = None) -> None:
        self.upstream = urlsplit(upstream).netloc
        self._server = _Server(("127.0.0.1", 0), lambda *args: _Handler(self, *args))
        scheme = "http"
        if certificate is not None:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            plain = self._server.socket
            self._server.socket = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def refusal(self, request: S3Request) -> tuple[int, str] | None:
        """The status and the error that the request is answered with instead; None where it is passed on."""

    def answered(self, request: S3Request, status: int) -> None:
        """The S3 has done it; the client does not know yet."""

    def expected(self, path: str) -> None:
        """A request waits for a 100 that it never gets."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer looks its own name up

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, front: S3Front, *args: Any) -> None:
        self._front = front
        super().__init__(*args)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def handle_expect_100(self) -> bool:
        self._front.expected(self.path)
        return True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = S3Request(self.command, self.path, dict(self.headers.items()), body)
        refusal = self._front.refusal(request)
        if refusal:
            status, text = refusal
            self._answer(status, {}, text.encode())
            return
        with closing(http.client.HTTPConnection(self._front.upstream, timeout=30)) as upstream:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            found = answer.read()
        self._front.answered(request, answer.status)
        self._answer(answer.status, {n: v for n, v in answer.getheaders() if _PASSED_BACK.match(n)}, found)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the base class looks for these names

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        length = headers.pop("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

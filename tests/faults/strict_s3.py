"""A TLS front for an S3 that is as strict as R2: what R2 refuses it refuses, and it never answers `Expect`."""

import http.client
import re
import ssl
import subprocess
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_CHUNKED = ("x-amz-trailer", "transfer-encoding")
_PASSED_BACK = re.compile(r"(?i)etag|content-|last-modified|x-amz-|accept-ranges")


def make_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key in the same file."""
    file = folder / "s3.pem"
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / "key.pem"))
    command = ["openssl", "req", "-x509", *key, "-out", str(file), "-days", "2", *subject]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + (folder / "key.pem").read_text())
    return file


class StrictS3:
    """Passes requests on to the S3 at `upstream` as they were signed.

    `refused` are the reasons of those that R2 would refuse; `expectations` the requests that waited for a 100;
    `parts` the sizes of each upload's parts, by number.
    """

    def __init__(self, upstream: str, certificate: Path) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.refused: list[str] = []
        self.expectations: list[str] = []
        self.parts: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._server = _Server(("127.0.0.1", 0), lambda *args: _Handler(self, *args))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer looks its own name up

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, front: StrictS3, *args: Any) -> None:
        self._front = front
        super().__init__(*args)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def handle_expect_100(self) -> bool:
        self._front.expectations.append(self.path)
        return True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reason = self._objection(body)
        if reason:
            self._front.refused.append(f"{self.command} {self.path}: {reason}")
            self._answer(400, {}, f"<Error><Code>InvalidRequest</Code><Message>{reason}</Message></Error>".encode())
            return
        upstream = http.client.HTTPConnection(self._front.upstream, timeout=30)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body or None)
        answer = upstream.getresponse()
        found = answer.read()
        self._answer(answer.status, {n: v for n, v in answer.getheaders() if _PASSED_BACK.match(n)}, found)
        upstream.close()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the base class looks for these names

    def _objection(self, body: bytes) -> str | None:
        """What R2 would refuse here: bodies in signed chunks, and parts of several sizes (its error 10048)."""
        signed = self.headers.get("x-amz-content-sha256", "")
        if (
            any(self.headers[name] for name in _CHUNKED)
            or signed.startswith("STREAMING")
            or ("aws-chunked" in self.headers.get("Content-Encoding", ""))
        ):
            return "STREAMING-UNSIGNED-PAYLOAD-TRAILER not implemented"
        query = parse_qs(urlsplit(self.path).query)
        upload = self._front.parts[query["uploadId"][0]] if "uploadId" in query else {}
        if self.command == "PUT" and "partNumber" in query:
            upload[int(query["partNumber"][0])] = len(body)
        sizes = [size for _, size in sorted(upload.items())]
        if self.command == "POST" and "uploadId" in query and len({*sizes[:-1], max(sizes)}) > 1:
            return "All non-trailing parts must have the same length."
        return None

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        length = headers.pop("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

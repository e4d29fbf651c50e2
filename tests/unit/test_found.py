"""A file that an extractor found: the headers it is asked for with, and who is told them."""

from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from app.core.media_errors import ExpiredAddressError
from app.demo.origin import Origin
from app.demo.samples import Samples
from app.services.fetch.direct import open_found
from app.services.fetch.exchange import Limits, Opening
from app.services.fetch.extract import ExtractionProgress, extracted
from app.services.fetch.found import FoundFile
from app.services.fetch.guard import Guard
from tests.unit.extract.extracting import extraction

LIMITS = Limits(64 << 20, 20, 5)
OPENING = Opening(Guard.of(["127.0.0.1/32"]), LIMITS)


class Gate(ThreadingHTTPServer):
    """`/watch` sets a cookie, without which `/film.mp4` is refused; `/away` leads to another Gate's film."""

    daemon_threads = True

    def __init__(self, film: bytes, away: str = "") -> None:
        self.film = film
        self.away = away
        self.seen: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Gate

    def do_GET(self) -> None:
        if self.path == "/watch":
            page = f'<html><title>Boats</title><video src="{self.server.url("film.mp4")}"></video></html>'
            self._answer(200, page.encode(), {"Set-Cookie": "pass=seven; Path=/", "Content-Type": "text/html"})
            return
        self.server.seen.append({name.lower(): value for name, value in self.headers.items()})
        if self.path == "/away":
            self._answer(302, b"", {"Location": self.server.away})
        elif "pass=seven" in self.headers.get("Cookie", "") or not self.server.away:
            self._answer(200, self.server.film, {"Content-Type": "video/mp4"})
        else:
            self._answer(403, b"no", {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture(scope="module")
def film(samples: Samples) -> bytes:
    return (samples.folder / "clip.mp4").read_bytes()


@pytest.fixture
def elsewhere(film: bytes) -> Iterator[Gate]:
    with Gate(film) as gate:
        yield gate


@pytest.fixture
def gate(film: bytes, elsewhere: Gate) -> Iterator[Gate]:
    with Gate(film, elsewhere.url("film.mp4")) as gate:
        yield gate


def test_file_is_asked_for_with_the_cookie_that_its_page_set(gate: Gate, film: bytes, tmp_path: Path) -> None:
    job = extraction(gate.url("watch"), tmp_path / "scratch")
    progress = ExtractionProgress(lambda: None, lambda _: None, lambda _: None)
    with extracted(job, progress) as source:
        assert b"".join(source.chunks) == film
    assert gate.seen[-1]["cookie"] == "pass=seven"
    assert gate.seen[-1]["referer"] == gate.url("watch")
    assert gate.seen[-1]["accept-encoding"] == "identity"


def test_without_the_cookie_it_is_refused(gate: Gate) -> None:
    with pytest.raises(ExpiredAddressError):
        open_found(FoundFile.of(gate.url("film.mp4"), {}, "Boats"), OPENING)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 416])
def test_address_that_is_refused_has_expired(samples: Samples, status: int) -> None:
    with Origin(samples.folder) as origin, pytest.raises(ExpiredAddressError):
        open_found(FoundFile.of(origin.url(f"status/{status}"), {}, "Boats"), OPENING)


def test_another_host_is_told_no_secret(gate: Gate, elsewhere: Gate) -> None:
    secrets = {"Cookie": "pass=seven", "authorization": "Basic c2V2ZW4=", "X-Api-Key": "7"}
    headers = {**secrets, "Referer": "https://example.com/"}
    with closing(open_found(FoundFile.of(gate.url("away"), headers, "Boats"), OPENING)) as source:
        assert source.filename == "Boats.mp4"
    assert gate.seen[-1].keys() >= {"cookie", "authorization", "x-api-key", "referer"}
    assert elsewhere.seen[-1]["referer"] == "https://example.com/"
    assert not elsewhere.seen[-1].keys() & {"cookie", "authorization", "x-api-key"}


def test_headers_that_frame_or_route_a_request_are_ours() -> None:
    theirs = {
        "host": "metadata.internal",
        "Range": "bytes=0-1",
        "If-Range": '"x"',
        "Content-Length": "3",
        "Transfer-Encoding": "chunked",
        "proxy-authorization": "x",
        "X-Bad": "a\r\nHost: b",
        "Bad Name": "x",
        "user-agent": "Theirs",
        "x-session": "7",
    }
    assert FoundFile.of("http://a/", theirs, "").headers == {"User-Agent": "Theirs", "X-Session": "7"}

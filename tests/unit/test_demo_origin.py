"""The demo origin and its samples: they keep HTTP's rules, and break them exactly as asked."""

import gzip
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import httpx2
import pytest

from app.demo.bodies import bytes_sha256
from app.demo.origin import Origin
from app.demo.samples import Samples, make_samples


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return make_samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def origin(samples: Samples) -> Iterator[Origin]:
    with Origin(samples.folder) as origin:
        yield origin


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, timeout=10) as client:
        yield client


def test_serves_a_file_whole(origin: Origin, samples: Samples, client: httpx2.Client) -> None:
    answer = client.get(origin.url("clip.mp4"))
    assert answer.status_code == 200
    assert answer.content == samples.clip.read_bytes()
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    assert hashlib.sha256(answer.content).hexdigest() == origin.sha256("clip.mp4")


def test_head_has_the_headers_of_get_and_no_body(origin: Origin, client: httpx2.Client) -> None:
    head, get = client.head(origin.url("clip.mp4")), client.get(origin.url("clip.mp4"))
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "last-modified", "accept-ranges"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=100-199", 100, 200), ("bytes=900-", 900, 1000), ("bytes=-10", 990, 1000),
     ("bytes=990-5000", 990, 1000)],
)  # fmt: skip
def test_range(origin: Origin, client: httpx2.Client, asked: str, start: int, stop: int) -> None:
    whole = client.get(origin.url("bytes/1000")).content
    answer = client.get(origin.url("bytes/1000"), headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/1000"
    assert answer.content == whole[start:stop]


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "lines=1-2"])
def test_range_that_makes_no_sense_is_ignored(origin: Origin, client: httpx2.Client, asked: str) -> None:
    answer = client.get(origin.url("bytes/1000"), headers={"Range": asked})
    assert (answer.status_code, len(answer.content)) == (200, 1000)


@pytest.mark.parametrize(("path", "asked"), [("bytes/1000", "bytes=1000-"), ("empty", "bytes=0-")])
def test_range_beyond_the_end(origin: Origin, client: httpx2.Client, path: str, asked: str) -> None:
    answer = client.get(origin.url(path), headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"].startswith("bytes */")


def test_if_range_gives_the_whole_when_the_file_is_another(origin: Origin, client: httpx2.Client) -> None:
    url = origin.url("clip.mp4")
    seen = client.head(url).headers
    for value, status in ((seen["etag"], 206), (seen["last-modified"], 206), ('"other"', 200)):
        assert client.get(url, headers={"Range": "bytes=0-9", "If-Range": value}).status_code == status


def test_ranges_can_be_refused(origin: Origin, samples: Samples, client: httpx2.Client) -> None:
    answer = client.get(origin.url("tone.mp3", noranges=1), headers={"Range": "bytes=0-9"})
    assert answer.status_code == 200
    assert "accept-ranges" not in answer.headers
    assert answer.content == samples.tone.read_bytes()


def test_truncated_body_breaks_off(origin: Origin) -> None:
    head, body = _raw_get(origin, "bytes/5000?truncate=1234")
    assert b"Content-Length: 5000" in head
    assert len(body) == 1234


def test_truncated_range_breaks_off(origin: Origin, client: httpx2.Client) -> None:
    url = origin.url("bytes/5000", truncate=10)
    with pytest.raises(httpx2.RemoteProtocolError):
        client.get(url, headers={"Range": "bytes=1000-1999"})
    assert client.get(url, headers={"Range": "bytes=1000-1009"}).status_code == 206


def test_chunked_body_has_no_length(origin: Origin, samples: Samples, client: httpx2.Client) -> None:
    answer = client.get(origin.url("clip.mp4", chunked=1), headers={"Range": "bytes=0-9"})
    assert answer.status_code == 200
    assert "content-length" not in answer.headers
    assert answer.content == samples.clip.read_bytes()


def test_truncated_chunked_body_has_no_last_chunk(origin: Origin, client: httpx2.Client) -> None:
    _, body = _raw_get(origin, "bytes/5000?chunked=1&truncate=100")
    assert body.startswith(b"64\r\n")
    assert not body.endswith(b"0\r\n\r\n")
    with pytest.raises(httpx2.RemoteProtocolError):
        client.get(origin.url("bytes/5000", chunked=1, truncate=100))


def test_rate_is_kept_smoothly(origin: Origin, client: httpx2.Client) -> None:
    started = time.monotonic()
    with client.stream("GET", origin.url("bytes/50000", rate=100_000)) as answer:
        arrivals = [time.monotonic() - started for _ in answer.iter_raw()]
    assert 0.45 < arrivals[-1] < 2
    assert len(arrivals) >= 5


def test_stalled_body_stays_open_until_the_origin_closes(samples: Samples, client: httpx2.Client) -> None:
    with (
        Origin(samples.folder) as origin,
        client.stream("GET", origin.url("bytes/5000", stall_after=100), timeout=0.3) as answer,
    ):
        pieces = answer.iter_raw()
        assert len(next(pieces)) == 100
        with pytest.raises(httpx2.ReadTimeout):
            next(pieces)


@pytest.mark.parametrize("target", ["bytes/99?stall_after=9", "bytes/99?rate=10", "endless", "status/404"])
def test_close_is_quick_and_breaks_connections(samples: Samples, target: str) -> None:
    origin = Origin(samples.folder)
    with socket.create_connection((origin.host, origin.port), timeout=5) as connection:
        connection.sendall(f"GET /{target} HTTP/1.1\r\nHost: origin\r\n\r\n".encode())
        assert connection.recv(1)
        started = time.monotonic()
        origin.close()
        while connection.recv(65536):
            assert time.monotonic() - started < 2
    assert time.monotonic() - started < 2
    origin.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((origin.host, origin.port), timeout=5)


def test_stalled_thread_ends_when_its_client_leaves(origin: Origin) -> None:
    before = set(threading.enumerate())
    with socket.create_connection((origin.host, origin.port), timeout=5) as connection:
        connection.sendall(b"GET /bytes/5000?stall_after=100 HTTP/1.1\r\nHost: origin\r\n\r\n")
        assert connection.recv(1)
        (stalled,) = set(threading.enumerate()) - before
    stalled.join(timeout=5)
    assert not stalled.is_alive()


def test_first_requests_fail(origin: Origin, client: httpx2.Client) -> None:
    url = origin.url("tone.mp3", fail_first=2)
    assert [client.get(url).status_code for _ in range(4)] == [503, 503, 200, 200]
    assert client.get(origin.url("tone.mp3", fail_first=1)).status_code == 503


@pytest.mark.parametrize("status", [403, 404, 410, 429, 500, 503])
def test_status(origin: Origin, client: httpx2.Client, status: int) -> None:
    answer = client.get(origin.url(f"status/{status}", retry_after=2))
    assert answer.status_code == status
    assert answer.headers["retry-after"] == "2"
    assert client.head(origin.url(f"status/{status}")).status_code == status


def test_redirect(origin: Origin, samples: Samples, client: httpx2.Client) -> None:
    answer = client.get(origin.url("redirect", to=origin.url("tone.mp3"), code=307), follow_redirects=True)
    assert answer.content == samples.tone.read_bytes()
    assert [past.status_code for past in answer.history] == [307]
    with pytest.raises(httpx2.TooManyRedirects):
        client.get(origin.url("redirect/loop"), follow_redirects=True)


def test_content_is_not_what_it_says(origin: Origin, client: httpx2.Client, tmp_path: Path) -> None:
    page = client.get(origin.url("html-as-video"))
    assert (page.headers["content-type"], page.content[:15]) == ("video/mp4", b"<!doctype html>")
    empty = client.get(origin.url("empty"))
    assert (empty.headers["content-type"], empty.headers["content-length"]) == ("video/mp4", "0")
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(client.get(origin.url("garbage.mp4")).content)
    assert garbage.read_bytes()[4:12] == b"ftypisom"
    with pytest.raises(av.error.InvalidDataError):
        av.open(str(garbage))


def test_headers_can_be_chosen(origin: Origin, client: httpx2.Client) -> None:
    name = '../"évil".mp4'
    headers = client.get(origin.url("clip.mp4", type="text/plain", disposition=name)).headers
    assert headers["content-type"] == "text/plain"
    assert headers["content-disposition"] == (
        "attachment; filename=\"../__vil_.mp4\"; filename*=UTF-8''..%2F%22%C3%A9vil%22.mp4"
    )


def test_gzip_is_for_those_who_offer_it(origin: Origin, samples: Samples, client: httpx2.Client) -> None:
    url = origin.url("article.html", gzip=1)
    with client.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
        assert answer.headers["content-length"] == str(len(packed))
    assert gzip.decompress(packed) == samples.article.read_bytes()
    plain = client.get(url, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == samples.article.read_bytes()


@pytest.mark.parametrize("suffix", ["", ".mp4"])
def test_bytes_are_the_same_whole_and_in_parts(origin: Origin, client: httpx2.Client, suffix: str) -> None:
    step = 1024 * 1024
    size = 5 * step + 17
    url = origin.url(f"bytes/{size}{suffix}")
    parts = [
        client.get(url, headers={"Range": f"bytes={start}-{start + step - 1}"}).content
        for start in range(0, size, step)
    ]
    assert len(set(parts)) == len(parts)
    assert hashlib.sha256(b"".join(parts)).hexdigest() == bytes_sha256(size, suffix)
    assert hashlib.sha256(client.get(url).content).hexdigest() == origin.sha256(f"bytes/{size}{suffix}")
    assert (parts[0][4:8] == b"ftyp") == (suffix == ".mp4")


def test_endless_goes_on(origin: Origin, client: httpx2.Client) -> None:
    received = 0
    with client.stream("GET", origin.url("endless")) as answer:
        assert "content-length" not in answer.headers
        for piece in answer.iter_raw():
            received += len(piece)
            if received > 20_000_000:
                break
    assert client.get(origin.url("page")).status_code == 200


def test_counts_requests_and_bytes(origin: Origin, client: httpx2.Client) -> None:
    client.get(origin.url("bytes/1000"))
    client.get(origin.url("bytes/1000", chunked=1), headers={"Range": "bytes=0-9"})
    client.get(origin.url("bytes/1000"), headers={"Range": "bytes=0-9"})
    assert origin.requests == {"bytes/1000": 3}
    assert origin.bytes_sent == {"bytes/1000": 2010}


def test_serves_nothing_outside_its_folder(origin: Origin, samples: Samples) -> None:
    secret = samples.folder.parent / "secret.txt"
    secret.write_text("secret")
    head, _ = _raw_get(origin, "../secret.txt")
    assert b" 404 " in head.splitlines()[0]


def test_fault_that_is_no_number_is_a_bad_request(origin: Origin, client: httpx2.Client) -> None:
    assert client.get(origin.url("clip.mp4", rate="fast")).status_code == 400


def test_connection_is_kept_between_requests(origin: Origin) -> None:
    with socket.create_connection((origin.host, origin.port), timeout=5) as connection:
        for path in ("bytes/10", "bytes/10?chunked=1", "status/404", "empty"):
            connection.sendall(f"HEAD /{path} HTTP/1.1\r\nHost: origin\r\n\r\n".encode())
            assert connection.recv(65536).endswith(b"\r\n\r\n")


def _raw_get(origin: Origin, target: str) -> tuple[bytes, bytes]:
    """GET with nothing in between, until the origin closes; returns the head and the body as sent."""
    with socket.create_connection((origin.host, origin.port), timeout=5) as connection:
        connection.sendall(f"GET /{target} HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n".encode())
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body

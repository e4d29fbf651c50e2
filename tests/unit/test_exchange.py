"""One request and its answer: how it ends."""

import socket

import pytest

from app.core.media_errors import ConnectionFailedError
from app.demo.origin import Origin
from app.services.fetch.exchange import Exchange, Limits
from app.services.fetch.guard import Guard
from tests.servers import shared_samples

GUARD = Guard.of(["127.0.0.1/32"])
LIMITS = Limits(max_bytes=1 << 30, total_seconds=10, read_seconds=5)


def read_all(exchange: Exchange) -> int:
    count = 0
    while chunk := exchange.read():
        count += len(chunk)
    return count


def test_close_is_never_taken_for_the_end_of_a_body(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without a declared length the end of the connection is the end of the body, unless it was us who ended it."""
    with Origin(shared_samples(tmp_path_factory).folder) as origin:
        whole = Exchange(origin.url("bytes/9000000", chunked=1), GUARD, LIMITS)
        whole.send()
        assert read_all(whole) == 9_000_000
        cut = Exchange(origin.url("bytes/9000000", chunked=1), GUARD, LIMITS)
        cut.send()
        assert cut.read()
        cut.close()
        with pytest.raises(ConnectionFailedError):
            read_all(cut)
        whole.close()


def test_what_is_closed_while_it_connects_asks_for_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    class Interrupted(Guard):
        """Connects for real; the exchange is closed, as a keeper's thread might, before it knows the socket."""

        def connect(self, host: str, port: int, timeout: float) -> socket.socket:
            connection = super().connect(host, port, timeout)
            exchange.close()
            return connection

    with Origin(shared_samples(tmp_path_factory).folder) as origin:
        exchange = Exchange(origin.url("clip.mp4"), Interrupted(GUARD.allow), LIMITS)
        with pytest.raises(ConnectionFailedError):
            exchange.send()
        assert "clip.mp4" not in origin.requests

"""One guarded connection for GETs, one after the other, and the answer under way, which any thread can end at once.

No transparent decoding (`Accept-Encoding: identity`), so that a compressed bomb stays small.
"""

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from urllib3 import HTTPResponse, Timeout
from urllib3.exceptions import HTTPError, LocationValueError, ProtocolError, ReadTimeoutError

from app.core.media_errors import ConnectionFailedError, InvalidLinkError, StalledError, TruncatedError
from app.services.fetch.guard import Guard, GuardedHTTPPool, GuardedHTTPSPool
from app.services.fetch.rate_floor import RateFloor

USER_AGENT = "Mozilla/5.0 (compatible; Takeup)"
_CONNECT_TIMEOUT_SECONDS = 10.0
_CHUNK_BYTES = 256 * 1024
_MAX_DIGITS = 18
_HEADERS = {"User-Agent": USER_AGENT, "Accept": "*/*"}
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Limits:
    """What one download may take: bytes, seconds in all, seconds without a byte, and the least bytes a second.

    The rate is looked at over `rate_seconds`.
    """

    max_bytes: int
    total_seconds: float
    read_seconds: float
    min_rate: int = 0
    rate_seconds: float = 60


OnOpen = Callable[[Callable[[], None]], None]


@dataclass(frozen=True)
class Opening:
    """How links are opened: by whom, within which limits, and who is given what ends the reading.

    `on_open` is called before each request is sent; what it is given may be called from any thread. `headers` go with
    every request.
    """

    guard: Guard
    limits: Limits
    on_open: OnOpen = lambda _: None
    headers: Mapping[str, str] = field(default_factory=dict)


def whole_number(header: str) -> int | None:
    """A header's value where it is a whole number of a sane length."""
    return int(header) if header.isascii() and header.isdigit() and len(header) < _MAX_DIGITS else None


class Exchange:
    """Requests to one address. Raises `MediaError`s of the `link.*` and `fetch.*` codes."""

    def __init__(self, address: str, guard: Guard, limits: Limits, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """`headers` go with every request, the agent's name among them where they have one."""
        self.address = address
        self.headers = {**_HEADERS, **headers, "Accept-Encoding": "identity"}
        self._brakes: list[socket.socket] = []
        self._closed = False
        self._response: HTTPResponse | None = None
        self.floor = RateFloor(limits.min_rate, limits.rate_seconds)
        parts = urlsplit(address)
        pool_class = GuardedHTTPSPool if parts.scheme == "https" else GuardedHTTPPool
        try:
            self._pool = pool_class(
                parts.hostname or "",
                parts.port or pool_class.ConnectionCls.default_port,
                timeout=Timeout(connect=_CONNECT_TIMEOUT_SECONDS, read=limits.read_seconds),
                retries=False,
                maxsize=1,
                guard=guard,
                connect_timeout=_CONNECT_TIMEOUT_SECONDS,
                on_connection=self._hold,
            )
        except LocationValueError as error:
            raise InvalidLinkError from error

    def send(self, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """Send a request, with these headers too, and read the answer's head.

        The connection of the request before is used again if its answer was read to its end.
        """
        if self._response is not None:
            self._response.close()
        parts = urlsplit(self.address)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            response = self._pool.urlopen(
                "GET",
                target,
                headers={**self.headers, **headers},
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except ReadTimeoutError as error:
            raise StalledError from error
        except (LocationValueError, UnicodeError) as error:
            raise InvalidLinkError from error
        except HTTPError as error:
            raise ConnectionFailedError from error
        if not isinstance(response, HTTPResponse):
            raise TypeError(f"urllib3 answered with {type(response).__name__}")
        response.enforce_content_length = False
        self._response = response

    @property
    def response(self) -> HTTPResponse:
        """The answer; only after `send`."""
        if self._response is None:
            raise ValueError("the request has not been sent")
        return self._response

    def header(self, name: str) -> str:
        return self.response.headers.get(name, "")

    def number(self, name: str) -> int | None:
        """The header's value where it is a whole number of a sane length."""
        return whole_number(self.header(name))

    @property
    def length(self) -> int | None:
        """The body's length in bytes, where it is declared and holds (RFC 9112, section 6.3)."""
        chunked = "chunked" in self.header("Transfer-Encoding").lower()
        return None if chunked else self.number("Content-Length")

    def read(self) -> bytes:
        """What has arrived of the body, at least one byte; b"" at its end, but never because of `close`."""
        began = time.monotonic()
        try:
            chunk = self.response.read1(_CHUNK_BYTES, decode_content=False)
        except ReadTimeoutError as error:
            raise StalledError from error
        except ProtocolError as error:
            raise TruncatedError from error
        except (HTTPError, OSError, ValueError, AttributeError) as error:  # closed under our hands
            raise ConnectionFailedError from error
        if not chunk and self._closed:
            raise ConnectionFailedError
        if chunk:
            self.floor.waited(time.monotonic() - began, len(chunk))
        return chunk

    def close(self) -> None:
        """End it for good, also while another thread waits for bytes."""
        self._closed = True
        self._let_go_of_sockets(shut_down=True)
        if self._response is not None:
            self._response.close()
        self._pool.close()

    def _hold(self, connection: socket.socket) -> None:
        """A second handle on the socket: TLS takes the first for itself."""
        if self._closed:
            connection.close()
            raise ConnectionFailedError
        self._let_go_of_sockets(shut_down=False)
        self._brakes.append(connection.dup())
        if self._closed:  # between the look above and now
            self._let_go_of_sockets(shut_down=True)

    def _let_go_of_sockets(self, *, shut_down: bool) -> None:
        while self._brakes:
            brake = self._brakes.pop()
            with suppress(OSError):
                if shut_down:
                    brake.shutdown(socket.SHUT_RDWR)
            brake.close()

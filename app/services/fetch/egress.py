"""The way out through an operator's proxy (`TAKEUP_EGRESS_PROXY`): a tunnel for every connection.

CONNECT for http as for https, so that one path serves both and every proxy decides by name and port alone; Smokescreen
resolves and vets the name then, and answers 407 with `X-Smokescreen-Error` for what it denies, 502 and 504 for a site
that cannot be reached (stripe/smokescreen, pkg/smokescreen/smokescreen.go).
"""

import socket
from base64 import b64encode
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from urllib.parse import unquote, urlsplit

from app.core.media_errors import BlockedAddressError, ConnectionFailedError, EgressProxyError

_DEFAULT_PORT = 80
_NOWHERE = "takeup.invalid"


@dataclass(frozen=True)
class EgressProxy:
    """An HTTP proxy that connections are made through; its credentials never show."""

    host: str
    port: int
    url: str = field(repr=False)

    @classmethod
    def of(cls, url: str) -> "EgressProxy":
        """The proxy at `http://[user:password@]host[:port]`."""
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or _DEFAULT_PORT, url)

    def check(self, timeout: float) -> None:
        """Ask the proxy for a site that cannot exist (RFC 6761, section 6.4). Raises `EgressProxyError`."""
        try:
            self._open(_NOWHERE, 443, timeout).close()
        except TimeoutError as error:
            raise EgressProxyError from error
        except (BlockedAddressError, ConnectionFailedError):
            return

    def tunnel(self, host: str, port: int, timeout: float) -> socket.socket:
        """A connection to `host` through the proxy, which resolves the name.

        Raises `EgressProxyError` where the proxy fails, `BlockedAddressError` where it refuses the address, and
        `ConnectionFailedError` where it cannot reach it.
        """
        try:
            return self._open(host, port, timeout)
        except TimeoutError as error:
            raise ConnectionFailedError from error

    def _open(self, host: str, port: int, timeout: float) -> socket.socket:
        """Raises `TimeoutError` where the proxy takes the connection and then says nothing."""
        try:
            connection = socket.create_connection((self.host, self.port), timeout)
        except OSError as error:
            raise EgressProxyError from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._ask(connection, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _ask(self, connection: socket.socket, authority: str) -> None:
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", *self._authorization()]
        try:
            connection.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
            answer = HTTPResponse(connection, method="CONNECT")  # reads no further: nobody speaks before we do
            answer.begin()
        except TimeoutError:
            raise
        except (OSError, HTTPException) as error:
            raise EgressProxyError from error
        refused = answer.status == 403 or (answer.status == 407 and answer.headers["X-Smokescreen-Error"])
        status = answer.status
        answer.close()
        if refused:
            raise BlockedAddressError("The operator's proxy refused it.")
        if status == 407:
            raise EgressProxyError("It refused Takeup's credentials.")
        if not 200 <= status < 300:
            raise ConnectionFailedError(f"(the proxy answered {status})")

    def _authorization(self) -> list[str]:
        parts = urlsplit(self.url)
        if not parts.username:
            return []
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return [f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}"]

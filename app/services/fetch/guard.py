"""Which addresses may be reached, decided when the connection is made and not before.

A name is resolved, every address of it is vetted, and the connection goes to the very address that was vetted; so a
name that answers differently the second time, or a redirect, gains nothing. The list is our own: Python's `ipaddress`
calls several special ranges global (sources: the IANA special-purpose registries for IPv4 and IPv6; 168.63.129.16 is
Azure's host).

Behind an operator's proxy it is the proxy that resolves: what the link itself tells (scheme, port, an address instead
of a name) is vetted here all the same.
"""

import re
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from app.core.config import Settings
from app.core.media_errors import BlockedAddressError, ConnectionFailedError, InvalidLinkError, LinkNotFoundError
from app.services.fetch.egress import EgressProxy

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

MAX_LINK_LENGTH = 4096

_BLOCKED_V4 = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_V6 = ip_network("2000::/3")
_BLOCKED_V6 = tuple(
    ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
_NAME = re.compile(r"(?!(.*\.)?(\d+|0[xX][0-9A-Fa-f]*)\.?$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?", re.ASCII)
"""A host name whose last label is no number, so that nobody reads an address in it (WHATWG URL, host parsing)."""
_NAT64 = ip_network("64:ff9b::/96")
_SERVICE_PORTS = frozenset(
    {1433, 1521, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5432, 5672, 5900, 5984, 6379, 6443, 7000}
    | {8500, 9042, 9092, 9200, 9300, 10250, 11211, 15672, 27017, 27018, 27019}
)


def check_link(url: str) -> str:
    """The link, if it has the form of one that may be fetched. Raises `InvalidLinkError`.

    http and https only, with a host, without user and password, and without blanks or control characters.
    """
    link = url.strip()
    if not link or len(link) > MAX_LINK_LENGTH or any(c.isspace() or ord(c) < 0x20 or ord(c) == 0x7F for c in link):
        raise InvalidLinkError
    check_target(link)
    return link


def check_target(url: str) -> None:
    """Raise `InvalidLinkError` unless the address, however it was found, is http or https, with a host and no user."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidLinkError from error
    if parts.scheme.lower() not in {"http", "https"} or not host or port == 0 or "@" in parts.netloc or "\\" in url:
        raise InvalidLinkError


def check_redirect(address: str, target: str) -> None:
    """Raise `BlockedAddressError` where a redirect leads from https to http."""
    if urlsplit(address).scheme == "https" and urlsplit(target).scheme == "http":
        raise BlockedAddressError("It redirects from https to http.")


@dataclass(frozen=True)
class Guard:
    """Vets addresses, and connects to those that may be reached.

    `allow` names the networks that the operator opened besides the public ones, `proxy` the way that all connections
    go, `max_redirects` how many redirects one request may follow.
    """

    allow: tuple[Network, ...] = ()
    proxy: EgressProxy | None = None
    max_redirects: int = 5

    @classmethod
    def of(cls, networks: Iterable[str], proxy: str | None = None, max_redirects: int = 5) -> "Guard":
        allow = tuple(ip_network(text) for text in networks)
        return cls(allow, EgressProxy.of(proxy) if proxy else None, max_redirects)

    @classmethod
    def of_settings(cls, settings: Settings) -> "Guard":
        proxy = settings.takeup_egress_proxy
        return cls(
            settings.takeup_allow_networks,
            EgressProxy.of(proxy.get_secret_value()) if proxy else None,
            settings.takeup_max_redirects,
        )

    def as_json(self) -> dict[str, Any]:
        """What `Guard.of` makes the same guard of in another process; it holds the proxy's credentials."""
        return {
            "networks": [str(network) for network in self.allow],
            "proxy": self.proxy.url if self.proxy else None,
            "max_redirects": self.max_redirects,
        }

    def permits(self, address: Address, port: int) -> bool:
        """Whether a connection to this address and port may be made."""
        if any(address.version == network.version and address in network for network in self.allow):
            return True
        return _is_public(address) and _is_open(port)

    def resolve(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """`getaddrinfo` of the host, every address vetted.

        Raises `BlockedAddressError` if any may not be reached, `LinkNotFoundError` for a name that does not exist,
        `ConnectionFailedError` where the resolver does not answer.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise InvalidLinkError from error
        except socket.gaierror as error:
            raise (LinkNotFoundError if error.errno == socket.EAI_NONAME else ConnectionFailedError) from error
        if not all(self.permits(ip_address(entry[4][0]), port) for entry in found):
            raise BlockedAddressError
        return list(found)

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """A TCP connection to the first vetted address that answers; `timeout` in seconds, for all of them."""
        if self.proxy is not None:
            self._check_name(host, port)
            return self.proxy.tunnel(host, port, timeout)
        failure: OSError | None = None
        deadline = time.monotonic() + timeout
        for family, kind, protocol, _, address in self.resolve(host, port):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(max(0.1, deadline - time.monotonic()))
                connection.connect(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peer = connection.getpeername()[0]
            except OSError as error:
                connection.close()
                failure = error
                if time.monotonic() > deadline:
                    break
                continue
            if ip_address(peer) != ip_address(address[0]):
                connection.close()
                raise BlockedAddressError
            return connection
        raise ConnectionFailedError from failure

    def _check_name(self, host: str, port: int) -> None:
        """What can be told without resolving. Raises `BlockedAddressError`, `InvalidLinkError` for what is no name."""
        address = _literal(host)
        if address is not None:
            if not self.permits(address, port):
                raise BlockedAddressError
        elif not _NAME.fullmatch(host):
            raise InvalidLinkError
        elif not _is_open(port) or host.lower().rstrip(".").rpartition(".")[2] == "localhost":
            raise BlockedAddressError


def _is_open(port: int) -> bool:
    return port in {80, 443} or (port >= 1024 and port not in _SERVICE_PORTS)


def _literal(host: str) -> Address | None:
    """The address that a host is instead of a name, in any form that a resolver would read (inet_aton(3))."""
    with suppress(ValueError):
        return ip_address(host)
    with suppress(OSError):
        return IPv4Address(socket.inet_aton(host.rstrip(".")))
    return None


@lru_cache(maxsize=4096)
def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        embedded = address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None)
        if embedded is None:
            return address in _GLOBAL_V6 and not any(address in network for network in _BLOCKED_V6)
        address = embedded
    return not any(address in network for network in _BLOCKED_V4)


OnConnection = Callable[[socket.socket], None]


class _Guarded:
    """What makes a urllib3 connection go through the guard; `on_connection` is shown each socket as it is connected."""

    host: str
    port: int

    def __init__(
        self, *args: Any, guard: Guard, connect_timeout: float, on_connection: OnConnection, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard
        self._connect_timeout = connect_timeout
        self._on_connection = on_connection

    def _new_conn(self) -> socket.socket:
        connection = self._guard.connect(self.host, self.port, self._connect_timeout)
        self._on_connection(connection)
        return connection


class _GuardedHTTP(_Guarded, HTTPConnection):
    pass


class _GuardedHTTPS(_Guarded, HTTPSConnection):
    pass


class GuardedHTTPPool(HTTPConnectionPool):
    """A urllib3 pool whose connections go through the guard."""

    ConnectionCls = _GuardedHTTP


class GuardedHTTPSPool(HTTPSConnectionPool):
    """The same over TLS; the certificate is checked against the link's host, not the address."""

    ConnectionCls = _GuardedHTTPS

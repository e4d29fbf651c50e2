"""A machine on which every address answers, and the count of who called: run inside a network namespace of its own."""

import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.security.addresses import ORIGIN_PORT

_PORTS = (22, 25, 80, 443, 2375, 5432, 6379, 8080, 9200, 11211, 27017)
_BESIDE_THE_ORIGIN = ("127.0.0.1", "10.0.0.1", "169.254.169.254")


def open_every_address(resolv_conf: Path) -> None:
    """Make each IPv4 and IPv6 address one of this machine, and its name server the one on 127.0.0.1."""
    resolv_conf.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    for command in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
        f"mount --bind {resolv_conf} /etc/resolv.conf",
    ):
        subprocess.run(command.split(), check=True)


class Canary:
    """Listens wherever a link of the list may lead."""

    def __init__(self) -> None:
        self._sockets = [
            *(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) for port in _PORTS),
            *(socket.create_server((address, ORIGIN_PORT)) for address in _BESIDE_THE_ORIGIN),
            socket.create_server(("::1", ORIGIN_PORT), family=socket.AF_INET6),
        ]
        for listener in self._sockets:
            listener.setblocking(False)

    def take(self) -> int:
        """How many have connected since the last call; the kernel completes a connection that nobody accepts yet."""
        count = 0
        for listener in self._sockets:
            with suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    count += 1
        return count

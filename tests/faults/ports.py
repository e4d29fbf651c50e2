"""A server that stays down although its supervisor would start it again."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.servers import wait_for
from tests.stack import RunningStack

_ADDRESS = {"redis": "redis_url", "mongodb": "mongodb_uri", "s3": "s3_endpoint_url"}


@contextmanager
def killed_and_kept_down(stack: RunningStack, name: str) -> Iterator[None]:
    """Kill the server, and hold its port, unheard, until the block ends: connections are refused meanwhile."""
    port = urlsplit(getattr(stack.settings, _ADDRESS[name])).port
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stack.kill(name)
        wait_for(lambda: _bound(held, port), 5, f"the port of {name} is held")
        yield


def _bound(held: socket.socket, port: int | None) -> bool:
    try:
        held.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True

"""Loopback ports for the embedded servers."""

import json
import random
import socket
from collections.abc import Collection, Mapping
from pathlib import Path

from app.embedded.data_folder import write_private_json

# Below the ports that Linux hands to outgoing connections (32768 and up), even 10000 further on: a server
# that is started again finds its port still free.
FIRST, LAST = 12_000, 22_700


def free_port(*, twin: int = 0, taken: Collection[int] = ()) -> int:
    """A port that nothing listens on at 127.0.0.1, not in `taken`; `port + twin` is free as well.

    Raises `OSError` when none can be found.
    """
    for port in random.sample(range(FIRST, LAST), 500):
        if port not in taken and is_free(port) and (not twin or is_free(port + twin)):
            return port
    raise OSError(f"no free port between {FIRST} and {LAST} on 127.0.0.1")


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1 at this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a former run that linger in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def remembered_ports(file: Path, twins: Mapping[str, int]) -> dict[str, int]:
    """A port for each name in `twins` (its value: the twin's distance, or 0), the same as at the last start
    wherever it is still free, so that addresses given out before a restart stay good.
    """
    former: dict[str, int] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    ports: dict[str, int] = {}
    for name, twin in twins.items():
        port = former.get(name)
        if port is None or not is_free(port) or (twin and not is_free(port + twin)):
            port = free_port(twin=twin, taken={*ports.values(), *former.values()})
        ports[name] = port
    write_private_json(file, former | ports)
    return ports

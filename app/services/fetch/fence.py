"""The second layer around an extraction child: whatever library it uses, it reaches vetted addresses only.

Every name it resolves is vetted, every connection must go to an address that the guard permits (PEP 578 audit hook);
behind a proxy, to the proxy alone. No program may be started with an address among its arguments, and each runs without
any network where the kernel lets it, so that ffmpeg works on local files alone. The hook does not see what native code
connects: curl_cffi is therefore not installed.
"""

import os
import resource
import socket
import subprocess
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Any

from app.core.media_errors import BlockedAddressError
from app.core.process import die_with_parent, leave_network
from app.services.confine import on_audit
from app.services.fetch.guard import Guard

_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_FORBIDDEN = frozenset({"os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "socket.bind"})


class NetworkFence:
    """Confines this process's network to what the guard permits; `refused` tells whether it ever had to."""

    def __init__(self, guard: Guard, roomy_program: str) -> None:
        """`roomy_program` alone is started without a bound on its address space."""
        self._guard = guard
        self._roomy_program = roomy_program
        self._plain_getaddrinfo = socket.getaddrinfo
        self._of_proxy: set[tuple[str, int]] = set()
        self.refused = False

    def raise_up(self) -> None:
        """For the rest of the process's life."""
        socket.getaddrinfo = self._getaddrinfo
        _tether_programs(self._roomy_program)
        on_audit(self._check)

    def _refuse(self) -> None:
        self.refused = True
        raise BlockedAddressError

    def _getaddrinfo(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        proxy = self._guard.proxy
        if proxy is not None and (host, port) != (proxy.host, proxy.port):
            self._refuse()
        found = self._plain_getaddrinfo(host, port, *args, **kwargs)
        if proxy is not None:
            self._of_proxy |= {(str(entry[4][0]), int(entry[4][1])) for entry in found}
        elif not all(self._guard.permits(ip_address(entry[4][0]), int(entry[4][1])) for entry in found):
            self._refuse()
        return found

    def _check(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CONNECTING:
            self._check_address(arguments[1])
        elif event == "subprocess.Popen":
            self._check_command(arguments[1])
        elif event in _FORBIDDEN:
            raise PermissionError(f"{event} is not for an extractor")

    def _check_address(self, address: Any) -> None:
        try:
            permitted = self._permits(address[0], int(address[1]))
        except (ValueError, TypeError, IndexError):
            permitted = False
        if not permitted:
            self._refuse()

    def _permits(self, host: str, port: int) -> bool:
        if self._guard.proxy is not None:
            return (host, port) in self._of_proxy
        return self._guard.permits(ip_address(host), port)

    def _check_command(self, command: Any) -> None:
        words = [command] if isinstance(command, str | bytes) else command
        if any("://" in os.fsdecode(word) for word in words):
            self._refuse()


def _of_local_files(command: Iterable[Any]) -> Iterator[Any]:
    """The command, with each input of ffmpeg's bound to local files: a playlist could lead elsewhere."""
    for word in command:
        if word == "-i":
            yield from ("-protocol_whitelist", "file,pipe")
        yield word


def _tether_programs(roomy_program: str) -> None:
    """Programs that yt-dlp starts (ffmpeg, deno) have no network, and die with this process.

    V8 reserves more address space than we have.
    """
    parent = os.getpid()

    def prepare() -> None:
        leave_network()
        die_with_parent(parent)

    def prepare_roomy() -> None:
        prepare()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

    plain = subprocess.Popen.__init__

    def tethered(process: "subprocess.Popen[Any]", args: Any, *more: Any, **kwargs: Any) -> None:
        command = args if isinstance(args, str | bytes) else list(_of_local_files(args))
        chosen = prepare_roomy if command[:1] == [roomy_program] else prepare
        plain(process, command, *more, **{**kwargs, "preexec_fn": chosen})

    subprocess.Popen.__init__ = tethered  # type: ignore[method-assign,assignment]  # yt-dlp has a subclass by now

"""The second layer around an extraction child: whatever library it uses, it reaches vetted addresses only.

Every name it resolves is vetted, every connection must go to an address that the guard permits (PEP 578 audit hook),
and no program may be started with an address among its arguments, so that ffmpeg works on local files alone. The hook
does not see what native code connects: curl_cffi is therefore not installed.
"""

import os
import resource
import socket
import subprocess
from ipaddress import ip_address
from typing import Any

from app.core.media_errors import BlockedAddressError
from app.core.process import die_with_parent
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
        found = self._plain_getaddrinfo(host, port, *args, **kwargs)
        if not all(self._guard.permits(ip_address(entry[4][0]), int(entry[4][1])) for entry in found):
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
            permitted = self._guard.permits(ip_address(address[0]), int(address[1]))
        except (ValueError, TypeError, IndexError):
            permitted = False
        if not permitted:
            self._refuse()

    def _check_command(self, command: Any) -> None:
        words = [command] if isinstance(command, str | bytes) else command
        if any("://" in os.fsdecode(word) for word in words):
            self._refuse()


def _tether_programs(roomy_program: str) -> None:
    """Programs that yt-dlp starts (ffmpeg, deno) die with this process; V8 reserves more address space than we have."""
    parent = os.getpid()

    def prepare() -> None:
        die_with_parent(parent)

    def prepare_roomy() -> None:
        die_with_parent(parent)
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

    class TetheredPopen(subprocess.Popen[Any]):
        def __init__(self, args: Any, *more: Any, **kwargs: Any) -> None:
            program = args if isinstance(args, str | bytes) else next(iter(args), "")
            chosen = prepare_roomy if program == roomy_program else prepare
            super().__init__(args, *more, **{**kwargs, "preexec_fn": chosen})

    subprocess.Popen = TetheredPopen  # type: ignore[misc]

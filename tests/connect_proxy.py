"""An HTTP proxy that takes CONNECT and nothing else, and answers as Smokescreen does."""

import socket
import threading
from base64 import b64encode
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Self


class ConnectProxy:
    """Leads every name in `names` to an address of this machine; denies what is in `denied`, knows no other.

    `asked` are the authorities that clients wanted, in order.
    """

    def __init__(self, names: dict[str, tuple[str, int]], *, denied: tuple[str, ...] = (), password: str = "") -> None:
        self.names = names
        self.denied = denied
        self.wanted = f"Basic {b64encode(password.encode()).decode()}" if password else None
        self.asked: list[str] = []
        self._server = _Server(("127.0.0.1", 0), lambda *args: _Handler(self, *args))
        self.port = int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer looks its own name up


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, proxy: ConnectProxy, *args: Any) -> None:
        self._proxy = proxy
        super().__init__(*args)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_CONNECT(self) -> None:
        proxy, host = self._proxy, self.path.rpartition(":")[0]
        proxy.asked.append(self.path)
        if proxy.wanted and self.headers["Proxy-Authorization"] != proxy.wanted:
            self._refuse(407)
        elif host in proxy.denied:
            self._refuse(407, {"X-Smokescreen-Error": "Egress proxying is denied"})
        elif host not in proxy.names:
            self._refuse(502, {"X-Smokescreen-Error": "Failed to connect to remote host: no such host"})
        else:
            with socket.create_connection(proxy.names[host]) as upstream:
                self.send_response(200)
                self.end_headers()
                self._join(upstream)
        self.close_connection = True

    def _refuse(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def _join(self, upstream: socket.socket) -> None:
        back = threading.Thread(target=_pump, args=(upstream, self.connection), daemon=True)
        back.start()
        _pump(self.connection, upstream)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)

"""A TCP proxy on loopback through which one process reaches a server, until the way is frozen or cut."""

import socket
from contextlib import suppress
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65536
_LOOK_SECONDS = 0.2


class Proxy:
    """Leads to `port` of this machine from its own `port`."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self.port = 0
        self._flowing = Event()
        self._flowing.set()
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._flowing.set()

    def freeze(self) -> None:
        """Pass nothing on any more, and say nothing: as when a cable is pulled."""
        self._flowing.clear()

    def cut(self) -> None:
        """Break every connection and refuse new ones: as when a firewall rejects."""
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let everything pass again."""
        self._flowing.set()
        if self._listener.fileno() == -1:
            self._listen()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = int(self._listener.getsockname()[1])
        self._listener.settimeout(_LOOK_SECONDS)
        Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        # A blocking accept() would not notice that its socket is closed.
        while listener.fileno() != -1:
            with suppress(TimeoutError, OSError):
                client, _ = listener.accept()
                Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(None)
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        back = Thread(target=self._pump, args=(server, client), daemon=True)
        back.start()
        self._pump(client, server)
        back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                self._flowing.wait()
                sink.sendall(data)
        for connection in (source, sink):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

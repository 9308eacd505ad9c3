"""A TCP relay on loopback whose connections can go silent without being closed, or be closed at any time.

TLS passes through, so a client behind the relay talks to the real server; only its kubeconfig has the
relay's port.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Relay:
    """A running relay; clients connect to `port`."""

    def __init__(self, listening: socket.socket, target_port: int) -> None:
        self.port: int = listening.getsockname()[1]
        self._listening, self._target_port = listening, target_port
        self._connections: list[_Connection] = []

    def freeze(self) -> int:
        """Make every open connection silent in both directions, without closing it; return how many.

        New ones work.
        """
        frozen = [connection for connection in self._connections if connection.freeze()]
        return len(frozen)

    def cut(self) -> None:
        """Close every open connection. New ones work."""
        while self._connections:
            self._connections.pop().cut()

    def accept(self) -> None:
        """Relay until the listening socket is closed."""
        while True:
            try:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:  # The listening socket was closed, or the server is down.
                return
            connection = _Connection(near, far)
            self._connections.append(connection)
            connection.start()


class _Connection:
    """Two sockets, and a thread for each direction."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self._sockets = (near, far)
        self._frozen = self._over = False

    def start(self) -> None:
        near, far = self._sockets
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def freeze(self) -> bool:
        """Make the connection silent; return whether it was open."""
        changed = not (self._frozen or self._over)
        self._frozen = True
        return changed

    def cut(self) -> None:
        self._over = True
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if (
                    not self._frozen
                ):  # Later data is dropped, as by a firewall that has forgotten the connection.
                    sink.sendall(data)
        if not self._frozen:
            self.cut()


@contextmanager
def relay(target_port: int) -> Iterator[Relay]:
    """Run a relay to a port of 127.0.0.1 for the duration of the context."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Relay(listening, target_port)
        thread = threading.Thread(target=made.accept, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            made.cut()

"""A small HTTP/1.1 server: listens, accepts connections, and drains them.

Malformed or oversized input gets 400, 413 or 431, and the connection ends. See `server_connection.py` for the
handling of requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from spiko_nanoservice.wire.connection_limits import ConnectionLimits, LimitedConnection
from spiko_nanoservice.wire.request import Handler
from spiko_nanoservice.wire.server_connection import ServerConnection

BACKLOG = 1024


class Server:
    """A server and its connections.

    Args:
        handler: is called for every request, and must reply to it at once or later.

    Attributes:
        limits: of connections; has the open ones.
        draining: no new connection is accepted, and replies end their connection.
        busy: the number of requests in progress.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.limits = ConnectionLimits()
        self.draining = False
        self.busy = 0
        self._listener: asyncio.Server | None = None
        self._empty: asyncio.Event | None = None

    def ended(self, connection: LimitedConnection) -> None:
        """Forget a connection that has ended."""
        self.limits.discard(connection)
        if not self.limits.connections and self._empty is not None:
            self._empty.set()

    async def listen(self, address: str, port: int) -> tuple[str, int]:
        """Start to listen and return the address and port.

        Args:
            address: an IPv4 or IPv6 address of this machine.
            port: 0 picks a free port.

        Raises:
            OSError: the address or port is not available.
        """
        # The socket is bound here, because an event loop that is given an address looks it up in a thread.
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        # asyncio sets TCP_NODELAY only on sockets with this protocol number.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind((address, port))
        except OSError:
            listener.close()
            raise
        bound = listener.getsockname()
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: ServerConnection(self), sock=listener, backlog=BACKLOG
        )
        return bound[0], bound[1]

    async def drain(self, grace_s: float) -> None:
        """Stop accepting connections and end all within `grace_s`.

        Idle connections end at once, the others when they are answered.
        """
        self.draining = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.limits.connections):
            connection.close_if_idle()
        self._empty = asyncio.Event()
        if self.limits.connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._empty.wait()
        for connection in list(self.limits.connections):
            connection.abort()

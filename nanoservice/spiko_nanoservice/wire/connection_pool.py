"""Kept-alive connections to one instance, the one used last first.

A kept-alive connection may be closed by the server while a request is on its way. If it ends before the first
byte of the reply, the request is sent once more over another connection, since GET and PUT of a key may be
repeated. No other failure is retried here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from spiko_nanoservice.contract import Reason, authority
from spiko_nanoservice.errors import CallError
from spiko_nanoservice.wire.http_client import ClientConnection, Reply, render_request

# Per instance; a call that needs one more fails with `Reason.OVERLOADED`.
MOST_CONNECTIONS = 512
# Less than the server's 75, so that the client closes an idle connection first.
IDLE_S = 60.0


class Pool:
    """Connections to one address.

    Args:
        address: an IPv4 or IPv6 address.
        port: of the server.
        tls: arguments of `create_connection` for TLS; None for a plain connection.

    Attributes:
        host: the value of the Host header.
    """

    def __init__(self, address: str, port: int, tls: Mapping[str, Any] | None = None) -> None:
        self._address, self._port = address, port
        self._tls = tls or {}
        self._idle: list[ClientConnection] = []
        self._open = self._opening = 0
        self._closed = False
        self.host = authority(address, port).encode()

    def made(self) -> None:
        """Count a connection that was opened."""
        self._open += 1

    def lost(self, connection: ClientConnection) -> None:
        """Forget a connection that has ended."""
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)

    def give_back(self, connection: ClientConnection) -> None:
        """Keep a connection that is free again, or close it if the pool is closed."""
        if self._closed:
            connection.abort()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)

    def take_idle(self) -> ClientConnection | None:
        """Return a free kept-alive connection, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.transport is None or connection.transport.is_closing():
                continue
            if connection.has_input():
                # The event loop has not read it yet. It would be taken for the reply to the next request.
                connection.abort()
                continue
            return connection
        return None

    async def call(
        self, method: bytes, path: bytes, headers: Callable[[], bytes], body: bytes, timeout_s: float
    ) -> Reply:
        """Send one request and return its reply.

        Args:
            method: of the request.
            path: of the request.
            headers: returns whole header lines; called when the request is sent, since the deadline is one of
                them.
            body: of the request.
            timeout_s: for connection and reply together.

        Raises:
            CallError: the call failed; `reason` says why.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while True:
            kept = self.take_idle()
            connection = kept or await self._connect(end - loop.time())
            request = render_request(method, path, self.host, headers(), body)
            try:
                reply: asyncio.Future[Reply] = loop.create_future()
                connection.send(request, max(0.0, end - loop.time()), reply)
                return await reply
            except CallError as error:
                if kept is None or connection.replied or error.reason != Reason.RESET:
                    raise

    def close_idle(self, now: float) -> None:
        """Close connections that were not used for `IDLE_S`."""
        for connection in [c for c in self._idle if now - c.idle_since > IDLE_S]:
            if connection.transport is not None:
                connection.transport.close()

    def close(self) -> None:
        """Close all idle connections now, and the others when their calls end."""
        self._closed = True
        for connection in list(self._idle):
            if connection.transport is not None:
                connection.transport.close()

    async def _connect(self, timeout_s: float) -> ClientConnection:
        if self._open + self._opening >= MOST_CONNECTIONS:
            raise CallError(Reason.OVERLOADED)
        self._opening += 1
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                loop = asyncio.get_running_loop()
                _, connection = await loop.create_connection(
                    lambda: ClientConnection(self), self._address, self._port, **self._tls
                )
        except TimeoutError as error:
            raise CallError(Reason.TIMEOUT) from error
        except OSError as error:
            raise CallError(Reason.REFUSED) from error
        finally:
            self._opening -= 1
        return connection

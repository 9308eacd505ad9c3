"""Serves HTTP over TLS to clients that have not proven a token, at a limited cost.

Every process of the machine can connect. A connection is unproven until a request on it is authenticated:
during its TLS handshake, while it sends a header, and while it reads a 401. The number of unproven
connections and their age are limited; a watch is not among them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from dataclasses import dataclass

from aiohttp import web

from kube_devserver.storage.memory import give_back

BACKLOG = 128
RETRY_S = 1.0  # after an accept for which the system has no file descriptor or memory
ROOM_S = 0.02  # between two looks for room at the limit
SWEEP_S = 1.0  # between two searches for connections that have ended or are too old
MANY = 64  # connections, whose memory is worth the time that it takes to give it back
CLOSE_S = 10.0  # for the end of TLS, in which the client reads what is left of an answer
# Go's limits of a header are larger. A header of kubectl has ten fields; selectors make its first line long.
MOST_LINE_BYTES, MOST_FIELD_BYTES, MOST_HEADERS = 8190, 4096, 32
log = logging.getLogger("kube_devserver.api")


@dataclass(frozen=True)
class Limits:
    """What clients without a token are granted.

    Args:
        connections: unproven connections at one time. At the limit the oldest ends, which makes room for a
            new one.
        patience_s: seconds that every connection has before it makes room; new ones wait meanwhile.
        unproven_s: seconds after which an unproven connection ends in any case, as kube-apiserver's time for
            a header.
        idle_s: seconds between two requests, after which any connection ends, as in kube-apiserver.
    """

    connections: int = 256
    patience_s: float = 0.5
    unproven_s: float = 32.0
    idle_s: float = 90.0


class _Connection:
    """An accepted connection.

    Attributes:
        task: the handshake.
        transport: after the handshake.
    """

    def __init__(self, accepted: socket.socket, since_s: float) -> None:
        self._socket, self.since_s = accepted, since_s
        self.task: asyncio.Task[None] | None = None
        self.transport: asyncio.WriteTransport | None = None

    @property
    def has_ended(self) -> bool:
        return self._socket.fileno() < 0

    def end(self) -> None:
        """End it at once, without the end of TLS, in which the client would have to take part."""
        if self.transport is not None:
            self.transport.abort()
        elif self.task is not None:
            self.task.cancel()


class UnprovenConnections:
    """The connections on which no request has been authenticated, the oldest first.

    Args:
        limits: of their number and age.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._open: dict[asyncio.BaseProtocol, _Connection] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._most = 0  # since memory was given back

    def __len__(self) -> int:
        return len(self._open)

    def prove(self, request: web.BaseRequest) -> None:
        """Stop limiting the connection of an authenticated request."""
        self._open.pop(request.protocol, None)

    def add(self, protocol: asyncio.BaseProtocol, connection: _Connection) -> None:
        """Limit a connection."""
        self._open[protocol] = connection
        if self._sweeping is None:
            self._sweep()

    def discard(self, protocol: asyncio.BaseProtocol) -> None:
        """Forget a connection that has ended."""
        self._open.pop(protocol, None)

    def make_room(self) -> float:
        """End the oldest connection at the limit; return the seconds until its patience is over, or 0."""
        if len(self._open) < self.limits.connections:
            return 0.0
        self._forget_ended()
        if len(self._open) < self.limits.connections:
            return 0.0
        oldest = next(iter(self._open.values()))
        left_s = oldest.since_s + self.limits.patience_s - asyncio.get_running_loop().time()
        if left_s <= 0:
            self.end_oldest()
        return max(0.0, left_s)

    def end_oldest(self) -> None:
        """End the oldest connection, if there is one."""
        for protocol in self._open:
            self._open.pop(protocol).end()
            return

    def close(self) -> None:
        """End all connections."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        while self._open:
            self.end_oldest()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._forget_ended()
        oldest_s = loop.time() - self.limits.unproven_s
        while self._open and next(iter(self._open.values())).since_s <= oldest_s:
            self.end_oldest()
        self._most = max(self._most, len(self._open))
        if self._most >= MANY and len(self._open) < self._most / 4:
            self._most = 0
            give_back()
        self._sweeping = loop.call_later(SWEEP_S, self._sweep) if self._open else None

    def _forget_ended(self) -> None:
        self._open = {key: connection for key, connection in self._open.items() if not connection.has_ended}


class HttpListener:
    """An HTTP server at one port.

    Args:
        application: answers requests.
        context: for TLS.
        unproven: the connections that are limited; the application proves them.
    """

    def __init__(
        self, application: web.Application, context: ssl.SSLContext, unproven: UnprovenConnections
    ) -> None:
        self._context, self._unproven = context, unproven
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=1,
            keepalive_timeout=unproven.limits.idle_s,
            max_line_size=MOST_LINE_BYTES,
            max_field_size=MOST_FIELD_BYTES,
            max_headers=MOST_HEADERS,
        )
        self._socket: socket.socket | None = None
        self._paused: asyncio.TimerHandle | None = None

    async def listen(self, address: str, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: the address is not available.
        """
        await self._runner.setup()
        self._socket = socket.create_server((address, port), backlog=BACKLOG)
        self._socket.setblocking(False)
        self._resume(self._socket)
        bound: int = self._socket.getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening and close all connections."""
        if self._paused is not None:
            self._paused.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        self._unproven.close()
        await self._runner.cleanup()

    def _resume(self, listening: socket.socket) -> None:
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _pause(self, listening: socket.socket, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        self._paused = loop.call_later(seconds, self._resume, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Accept one connection, so that other connections are served between two."""
        if (left_s := self._unproven.make_room()) > 0:
            self._pause(listening, min(left_s, ROOM_S))
            return
        try:
            accepted, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("accept: %s; retrying after %s s", error, RETRY_S)
            self._unproven.end_oldest()
            self._pause(listening, RETRY_S)
            return
        accepted.setblocking(False)
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert server is not None
        protocol, connection = server(), _Connection(accepted, loop.time())
        connection.task = loop.create_task(self._start(accepted, protocol, connection))
        self._unproven.add(protocol, connection)

    async def _start(
        self, accepted: socket.socket, protocol: asyncio.BaseProtocol, connection: _Connection
    ) -> None:
        """Serve a connection after its handshake."""
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._unproven.limits.unproven_s,
                ssl_shutdown_timeout=CLOSE_S,
            )
        except BaseException as error:
            self._unproven.discard(protocol)
            # Without a handshake it is not called, and the protocol would be left to the garbage collector.
            protocol.connection_lost(None)
            if not isinstance(error, OSError):
                raise
            return
        connection.transport, connection.task = transport, None

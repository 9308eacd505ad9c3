"""Serves HTTP to a limited number of unproven clients: every process of the machine can connect.

A TLS connection takes 300 KB before its handshake, and asyncio leaves each that fails to the garbage
collector: the frame that awaits the handshake refers to a future with the exception, which refers to the
frame. The listener breaks that cycle, and limits handshakes and connections.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import traceback
from dataclasses import dataclass

from aiohttp import web

BACKLOG = 128
# After an accept for which the system has no file descriptor or memory.
RETRY_S = 1.0
log = logging.getLogger("spiko.kubelet")


@dataclass(frozen=True)
class Limits:
    """What a listener grants to clients.

    Args:
        handshakes: TLS handshakes in progress. At the limit the oldest ends, which makes room for a new one.
        patience_s: seconds that every handshake has before it makes room; new connections wait meanwhile.
        handshake_s: seconds after which a handshake ends in any case.
        connections: open connections without TLS. At the limit the oldest ends. With TLS there is no limit,
            because a completed handshake shows a certificate of the cluster.
        idle_s: seconds without a complete request, after which a connection ends.
    """

    handshakes: int = 64
    patience_s: float = 0.5
    handshake_s: float = 5.0
    connections: int = 1024
    idle_s: float = 60.0


class HttpListener:
    """An HTTP server at one or more addresses.

    Args:
        application: answers requests.
        context: for TLS; None for plain HTTP.
        limits: for all addresses together.
    """

    def __init__(
        self,
        application: web.Application,
        context: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._context, self._limits = context, limits or Limits()
        self._runner = web.AppRunner(application, access_log=None, keepalive_timeout=self._limits.idle_s)
        self._sockets: list[socket.socket] = []
        # Listening sockets that accept nothing for now, with the timers that end this.
        self._paused: dict[socket.socket, asyncio.TimerHandle] = {}
        # In the order of their accept: those that start, with its time, and those without TLS.
        self._starting: dict[asyncio.Task[None], float] = {}
        self._open: dict[asyncio.BaseTransport, None] = {}

    async def listen(self, *addresses: tuple[str, int]) -> None:
        """Listen on addresses, each with a port.

        Raises:
            OSError: an address is not available.
        """
        await self._runner.setup()
        for address in addresses:
            listening = socket.create_server(address, backlog=BACKLOG)
            listening.setblocking(False)
            self._sockets.append(listening)
            self._resume(listening)

    @property
    def port(self) -> int:
        """The port of the first address."""
        port: int = self._sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening and close all connections."""
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)
            listening.close()
        for task in self._starting:
            task.cancel()
        await self._runner.cleanup()

    def _resume(self, listening: socket.socket) -> None:
        if (timer := self._paused.pop(listening, None)) is not None:
            timer.cancel()
        if listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _pause(self, listening: socket.socket, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        self._paused[listening] = loop.call_later(seconds, self._resume, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Accept one connection, so that handshakes go on between two."""
        loop = asyncio.get_running_loop()
        if len(self._starting) >= self._limits.handshakes:
            oldest, since = next(iter(self._starting.items()))
            if (left_s := since + self._limits.patience_s - loop.time()) > 0:
                self._pause(listening, left_s)
                return
            del self._starting[oldest]
            oldest.cancel()
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("accept: %s; retrying after %s s", error, RETRY_S)
            self._pause(listening, RETRY_S)
            return
        connection.setblocking(False)
        task = loop.create_task(self._start(connection))
        self._starting[task] = loop.time()
        task.add_done_callback(self._started)

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting.pop(task, None)
        for listening in list(self._paused):
            self._resume(listening)

    async def _start(self, connection: socket.socket) -> None:
        """Serve a connection, after its handshake if it has TLS."""
        server = self._runner.server
        assert server is not None
        timeout_s = None if self._context is None else self._limits.handshake_s
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                server, connection, ssl=self._context, ssl_handshake_timeout=timeout_s
            )
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)
            if not isinstance(error, OSError):
                raise
            return
        if self._context is None:
            self._limit_open(transport)

    def _limit_open(self, transport: asyncio.BaseTransport) -> None:
        if len(self._open) >= self._limits.connections:
            self._open = {known: None for known in self._open if not known.is_closing()}
        if len(self._open) >= self._limits.connections:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.close()
        self._open[transport] = None

"""The operator's own HTTP server: `/healthz` and `/readyz` for probes, and `/metrics`.

It answers in the event loop that does the work: if the loop is stuck, no probe succeeds. Every client of the
network can connect, so that connections and what they may send are limited.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from spiko_operator.errors import SettingsError
from spiko_operator.progress import Progress, find_missing, find_stall

MOST_CONNECTIONS = 64  # at the limit, the oldest ends
BACKLOG = 16  # connections that one turn of the event loop accepts
IDLE_S = 15.0  # without a complete header, after which a connection ends
LINGERING_S = 1.0  # for the rest of a body that is not read
MOST_LINE_BYTES = MOST_FIELD_BYTES = 4096
MOST_HEADERS = 32


@dataclass(frozen=True)
class Pages:
    """What the server answers.

    Args:
        progress: returns the progress of the operator.
        resync_s: seconds between full lists.
        render: returns content type and body of `/metrics`.
    """

    progress: Callable[[], Progress]
    resync_s: float
    render: Callable[[], tuple[str, bytes]]


class HttpServer:
    """The server. Start it with `listen`, and end it with `close`.

    Args:
        pages: that it answers.
    """

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        application = web.Application()
        application.router.add_get("/healthz", self._get_health)
        application.router.add_get("/readyz", self._get_readiness)
        application.router.add_get("/metrics", self._get_metrics)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            shutdown_timeout=0.5,
            keepalive_timeout=IDLE_S,
            lingering_time=LINGERING_S,
            max_line_size=MOST_LINE_BYTES,
            max_field_size=MOST_FIELD_BYTES,
            max_headers=MOST_HEADERS,
        )
        self._server: asyncio.Server | None = None

    async def listen(self, address: str, port: int) -> int:
        """Listen, and return the port.

        Args:
            address: of an interface.
            port: 0 chooses a free one.

        Raises:
            SettingsError: the address is not available.
        """
        await self._runner.setup()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            listening = socket.create_server((address, port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise SettingsError(
                f"SPIKO_HTTP_LISTEN: {address} port {port}: cannot listen: {error}"
            ) from error
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, sock=listening, backlog=BACKLOG)
        bound: int = listening.getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening and close all connections."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    def _accept(self) -> RequestHandler:
        """Return the protocol of a new connection; at the limit, end the oldest connection."""
        server = self._runner.server
        assert server is not None
        open_ = server.connections
        for oldest in open_[: max(0, len(open_) + 1 - MOST_CONNECTIONS)]:
            oldest.force_close()
        return server()

    async def _get_health(self, _: web.Request) -> web.Response:
        progress = self._pages.progress()
        if (why := find_stall(progress, self._pages.resync_s)) is not None:
            return web.Response(status=500, text=f"{why}\n")
        page = progress.page()
        if (missing := find_missing(progress)) is not None:
            page["message"] = missing
        return web.json_response(page)

    async def _get_readiness(self, _: web.Request) -> web.Response:
        progress = self._pages.progress()
        # A cache is not complete any more when full lists stop.
        why = find_missing(progress) or find_stall(progress, self._pages.resync_s)
        if why is not None:
            return web.Response(status=503, text=f"{why}\n")
        return web.json_response(progress.page())

    async def _get_metrics(self, _: web.Request) -> web.Response:
        content, body = self._pages.render()
        return web.Response(body=body, headers={"Content-Type": content})

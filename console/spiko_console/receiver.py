"""The HTTP endpoint: POST /v1/traces, and the store's clock once a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http import HttpProcessingError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spiko_console import otlp
from spiko_console.errors import OtlpError
from spiko_console.store import TraceStore

SETTLE_EVERY_S = 1.0
IDLE_S = 60.0
LINGERING_S = 1.0  # for the rest of a body that is not read
log = logging.getLogger("spiko.receiver")
Listener = Callable[[otlp.Request], None]


class Receiver:
    """An OTLP/HTTP endpoint for traces.

    Args:
        store: receives the spans.
        listener: called with every request, for instance to write it to a file.
        idle_s: seconds without a complete header, and at most for a body, after which a connection ends.
    """

    def __init__(self, store: TraceStore, listener: Listener | None = None, idle_s: float = IDLE_S) -> None:
        self._store, self._listener, self._idle_s = store, listener, idle_s
        self.endpoint = ""

    async def export(self, request: web.Request) -> web.Response:
        """Handle one export."""
        encoding = request.headers.get("Content-Encoding", "").lower()
        try:
            async with asyncio.timeout(self._idle_s):
                body = await request.read()
            export = otlp.read_request(body, request.content_type, encoding)
        except TimeoutError:
            return web.Response(status=408, text="body: incomplete\n")
        except OtlpError as error:
            return web.Response(status=error.status, text=f"{error}\n")
        self._store.add(otlp.spans_of(export), time.monotonic())
        if self._listener is not None:
            self._listener(export)
        if request.content_type == otlp.JSON:
            return web.json_response({})
        return web.Response(body=ExportTraceServiceResponse().SerializeToString(), content_type=otlp.PROTOBUF)

    @asynccontextmanager
    async def listen(self, address: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Listen; yields the endpoint's base URL.

        Args:
            address: to listen on.
            port: 0 chooses a free one.

        Raises:
            OSError: the address is not available.
        """
        application = web.Application(client_max_size=otlp.MAX_BYTES)
        application.router.add_post("/v1/traces", self.export)
        # `otlp` decompresses bodies, because it bounds the result
        log.addFilter(is_own_error)
        runner = web.AppRunner(
            application,
            access_log=None,
            logger=log,
            auto_decompress=False,
            shutdown_timeout=0.5,
            keepalive_timeout=self._idle_s,
            lingering_time=LINGERING_S,
        )
        await runner.setup()
        site = web.TCPSite(runner, address, port)
        await site.start()
        host, bound_port = runner.addresses[0][:2]
        self.endpoint = f"http://{f'[{host}]' if ':' in host else host}:{bound_port}"
        settling = asyncio.create_task(self._settle())
        try:
            yield self.endpoint
        finally:
            settling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await settling
            await runner.cleanup()

    async def _settle(self) -> None:
        while True:
            await asyncio.sleep(SETTLE_EVERY_S)
            self._store.settle(time.monotonic())


def is_own_error(record: logging.LogRecord) -> bool:
    """Return whether a record is not about a malformed request: aiohttp logs a traceback for each, with bytes
    of the client. UnicodeEncodeError is that of an Expect header which is not text.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | UnicodeEncodeError)

"""Sends encoded spans to an OTLP/HTTP collector, from the pod's own event loop.

A collector that is down does no harm: the queue is bounded, spans that do not fit are dropped and counted,
and attempts back off. Retryable outcomes are those of the OTLP specification: 429, 502, 503, 504, and no
answer at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from urllib.parse import urlsplit

from spiko_nanoservice.errors import CallError
from spiko_nanoservice.telemetry.spans import Envelope
from spiko_nanoservice.wire.connection_pool import Pool

MOST_QUEUED = 2_048
BATCH = 512
EVERY_S = 0.5
TIMEOUT_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
RETRYABLE = frozenset({429, 502, 503, 504})
log = logging.getLogger("spiko.export")


class Exporter:
    """A bounded queue of encoded spans, and the task that exports them.

    Args:
        envelope: the pod's resource and scope.

    Attributes:
        dropped: spans that were dropped since `take_dropped`.
    """

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._queue: list[bytes] = []
        self._endpoint = ""
        self._path = b""
        self._pool: Pool | None = None
        self._pause_s = 0.0
        self._nonempty = asyncio.Event()
        self._full = asyncio.Event()
        self.dropped = 0

    @property
    def enabled(self) -> bool:
        """Return whether there is a collector; without one no span need be made."""
        return bool(self._endpoint)

    def point_at(self, endpoint: str) -> None:
        """Export to this base URL from now on; an empty one stops exporting."""
        if endpoint != self._endpoint:
            self._endpoint = endpoint
            self._close_pool()
            self._pause_s = 0.0
            if not endpoint:
                self._queue.clear()

    def add(self, span: bytes) -> None:
        """Queue an encoded span, or drop and count it if the queue is full."""
        if len(self._queue) >= MOST_QUEUED:
            self.dropped += 1
            return
        self._queue.append(span)
        if len(self._queue) == 1:
            self._nonempty.set()
        if len(self._queue) >= BATCH:
            self._full.set()

    def take_dropped(self) -> int:
        """Return how many spans were dropped since the last call."""
        dropped, self.dropped = self.dropped, 0
        return dropped

    async def run(self) -> None:
        """Export until cancelled."""
        while True:
            await self._nonempty.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._full.wait()
            # The next span of an empty queue sets the event again; the loop below runs until the queue is
            # empty.
            self._nonempty.clear()
            self._full.clear()
            while self._queue and self._endpoint:
                if not await self.send_batch():
                    self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, self._pause_s * 2))
                    await asyncio.sleep(self._pause_s)
                    self._nonempty.set()
                    break
                self._pause_s = 0.0

    async def send_batch(self) -> bool:
        """Send one batch; return False if it must be sent again later.

        A batch that the collector rejects for good is dropped and counted.
        """
        batch = self._queue[:BATCH]
        try:
            pool = await self._get_pool()
            headers = b"Content-Type: application/x-protobuf\r\n"
            reply = await pool.call(
                b"POST", self._path, lambda: headers, self._envelope.wrap(batch), TIMEOUT_S
            )
        except (CallError, OSError) as error:
            log.debug("collector %s: %s", self._endpoint, error)
            self._close_pool()
            return False
        except ValueError as error:
            log.warning("collector %s: not a valid URL: %s", self._endpoint, error)
            self._close_pool()
            return False
        if reply.status in RETRYABLE:
            return False
        del self._queue[: len(batch)]
        if reply.status != 200:
            self.dropped += len(batch)
            log.warning("collector %s rejected %d spans: status %d", self._endpoint, len(batch), reply.status)
        return True

    async def flush(self, timeout_s: float) -> None:
        """Send the queued spans before the process ends; stop at the first failure or after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._queue and self._endpoint and await self.send_batch():
                    pass

    async def _get_pool(self) -> Pool:
        if self._pool is None:
            url = urlsplit(self._endpoint)
            host, port = url.hostname or "127.0.0.1", url.port or 4318
            self._path = f"{url.path.rstrip('/')}/v1/traces".encode()
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self._pool = Pool(str(found[0][4][0]), port)
        return self._pool

    def _close_pool(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

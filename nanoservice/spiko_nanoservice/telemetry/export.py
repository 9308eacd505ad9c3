"""Sends encoded spans to an OTLP/HTTP collector, from the pod's own loop. A dead collector harms nothing: the queue is bounded, what does not
fit is dropped and counted, and tries are spaced.

Retryable answers are those of the OTLP specification: 429, 502, 503, 504, and no answer at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from urllib.parse import urlsplit

from spiko_nanoservice.errors import CallError
from spiko_nanoservice.telemetry.spans import Envelope
from spiko_nanoservice.wire.http_client import Pool

MOST_QUEUED = 2_048
BATCH = 512
EVERY_S = 0.5
TIMEOUT_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
RETRYABLE = frozenset({429, 502, 503, 504})
log = logging.getLogger("spiko.export")


class Exporter:
    """A bounded queue of encoded spans and the task that empties it.

    Args:
        envelope: the pod's resource and scope.

    """

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._queue: list[bytes] = []
        self._endpoint = ""
        self._path = b""
        self._pool: Pool | None = None
        self._pause_s = 0.0
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self.dropped = 0

    @property
    def enabled(self) -> bool:
        """Whether spans go anywhere: if not, none need be made."""
        return bool(self._endpoint)

    def point_at(self, endpoint: str) -> None:
        """Export to this base URL from now on; empty stops it."""
        if endpoint != self._endpoint:
            self._endpoint = endpoint
            self._close_pool()
            self._pause_s = 0.0
            if not endpoint:
                self._queue.clear()

    def add(self, span: bytes) -> None:
        """Queue a span, or drop and count it."""
        if len(self._queue) >= MOST_QUEUED:
            self.dropped += 1
            return
        self._queue.append(span)
        if len(self._queue) == 1:
            self._some.set()
        if len(self._queue) >= BATCH:
            self._full.set()

    def take_dropped(self) -> int:
        """How many were dropped since the last question."""
        dropped, self.dropped = self.dropped, 0
        return dropped

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._some.wait()  # a pod without spans is never woken
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._full.wait()
            self._some.clear()  # set again by the next span of an empty queue; below until it is empty
            self._full.clear()
            while self._queue and self._endpoint:
                if not await self.send_batch():
                    self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, self._pause_s * 2))
                    await asyncio.sleep(self._pause_s)
                    self._some.set()
                    break
                self._pause_s = 0.0

    async def send_batch(self) -> bool:
        """Send one batch; False if it is to be tried again later. A batch that the collector refuses for good is dropped and counted."""
        batch = self._queue[:BATCH]
        try:
            pool = await self._get_pool()
            headers = b"Content-Type: application/x-protobuf\r\n"
            reply = await pool.call(b"POST", self._path, lambda: headers, self._envelope.wrap(batch), TIMEOUT_S)
        except (CallError, OSError) as error:
            log.debug("collector %s: %s", self._endpoint, error)
            self._close_pool()
            return False
        except ValueError as error:
            log.warning("collector %s: no address: %s", self._endpoint, error)
            self._close_pool()
            return False
        if reply.status in RETRYABLE:
            return False
        del self._queue[: len(batch)]
        if reply.status != 200:
            self.dropped += len(batch)
            log.warning("collector %s refused %d spans: %d", self._endpoint, len(batch), reply.status)
        return True

    async def flush(self, timeout_s: float) -> None:
        """Send what is left, once, before the process ends."""
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

"""Sends encoded spans to an OTLP/HTTP collector, from the pod's own event loop.

A collector that is down does no harm: the queue is bounded, spans that do not fit are dropped and counted,
and attempts back off. Retryable outcomes are those of the OTLP specification: 429, 502, 503, 504, and no
answer at all; a collector's Retry-After comes before the own back-off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from datetime import UTC, datetime

from spiko_nanoservice.contract import OTLP_SECRET_PATH
from spiko_nanoservice.errors import ExportError
from spiko_nanoservice.telemetry.collector_reply import Verdict, judge
from spiko_nanoservice.telemetry.export_health import ExportHealth
from spiko_nanoservice.telemetry.spans import Envelope
from spiko_nanoservice.wire.collector_client import CollectorClient, is_compressed

MOST_QUEUED = 2_048
BATCH = 512
EVERY_S = 0.5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
log = logging.getLogger("spiko.export")


class Exporter:
    """A bounded queue of encoded spans, and the task that exports them.

    Args:
        envelope: the pod's resource and scope.
        secret: directory of the Secret for the collector; it may not exist.

    Attributes:
        endpoint: base URL of the collector; empty for none.
        gzip: whether batches are compressed.
        health: whether the exports succeed.
        exported: spans that the collector took, since the start of the pod.
        lost: spans that were dropped, or rejected by the collector, since the start of the pod.
    """

    def __init__(self, envelope: Envelope, secret: str = OTLP_SECRET_PATH) -> None:
        self._envelope = envelope
        self._queue: list[bytes] = []
        self.endpoint = ""
        self.gzip = False
        self._secret = secret
        self._client = CollectorClient("", secret)
        self._pause_s = 0.0
        self._nonempty = asyncio.Event()
        self._full = asyncio.Event()
        self._redirected = asyncio.Event()
        self.health = ExportHealth()
        self.exported = self.lost = self._reported = 0

    @property
    def enabled(self) -> bool:
        """Return whether there is a collector; without one no span need be made."""
        return bool(self.endpoint)

    def point_at(self, endpoint: str) -> None:
        """Export to this base URL from now on; an empty one stops exporting."""
        if endpoint != self.endpoint:
            self.endpoint = endpoint
            self._client.close()
            self._client = CollectorClient(endpoint, self._secret)
            self._pause_s = 0.0
            self.health = ExportHealth()
            self._redirected.set()
            if not endpoint:
                self.lost += len(self._queue)
                # A batch in progress keeps the old list.
                self._queue = []

    def add(self, span: bytes) -> None:
        """Queue an encoded span, or drop and count it if the queue is full."""
        if len(self._queue) >= MOST_QUEUED:
            self.lost += 1
            return
        self._queue.append(span)
        if len(self._queue) == 1:
            self._nonempty.set()
        if len(self._queue) >= BATCH:
            self._full.set()

    def take_dropped(self) -> int:
        """Return how many spans were lost since the last call."""
        before, self._reported = self._reported, self.lost
        return self.lost - before

    def settle(self) -> None:
        """Log a change of the collector's health; called after every attempt and once a second."""
        if text := self.health.settle(asyncio.get_running_loop().time(), self.lost):
            log.warning("collector %s: %s", self.endpoint, text)

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
            while self._queue and self.endpoint:
                self._redirected.clear()
                verdict = await self.send_batch()
                if verdict.again:
                    await self._pause(verdict.retry_after_s)
                    self._nonempty.set()
                    break
                self._pause_s = 0.0

    async def _pause(self, retry_after_s: float | None) -> None:
        """Wait before the next attempt, but not for an endpoint that is replaced meanwhile."""
        self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, self._pause_s * 2))
        wait_s = self._pause_s if retry_after_s is None else max(FIRST_PAUSE_S, retry_after_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._redirected.wait()

    async def send_batch(self) -> Verdict:
        """Send one batch and return what became of it; it stays in the queue if it must be sent again."""
        queue, health = self._queue, self.health
        batch = queue[:BATCH]
        verdict = await self._send(batch)
        if not verdict.again:
            del queue[: len(batch)]
            self.exported += len(batch) - verdict.lost
            self.lost += verdict.lost
        if health is self.health:
            health.record(verdict.error, self.lost)
            self.settle()
        return verdict

    async def _send(self, batch: list[bytes]) -> Verdict:
        body, client, gzip = self._envelope.wrap(batch), self._client, self.gzip
        try:
            reply = await client.post(body, gzip)
        except ExportError as error:
            return Verdict(again=True, error=str(error))
        now, compressed = datetime.now(UTC), is_compressed(body, gzip)
        verdict = judge(reply.status, reply.body, reply.retry_after, len(batch), now, compressed)
        return replace(verdict, error=client.explain(verdict.error)) if verdict.error else verdict

    async def flush(self, timeout_s: float) -> None:
        """Send the queued spans and close the connection before the process ends; stop at the first failure
        or after `timeout_s`.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._queue and self.endpoint and not (await self.send_batch()).again:
                    pass
        if self._queue and self.endpoint:
            self.lost += len(self._queue)
            log.warning("collector %s: %d spans were lost at the end", self.endpoint, len(self._queue))
        self._client.close()

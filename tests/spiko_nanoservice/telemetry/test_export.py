"""The exporter: one warning for each change, counts of lost spans, and the collector's wishes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spiko_nanoservice.telemetry.export import BATCH, Exporter
from spiko_nanoservice.telemetry.export_health import LEAST_PAUSE_S, ExportHealth
from spiko_nanoservice.telemetry.spans import Envelope
from tests.support.loopback_cluster import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Collector:
    """A collector that answers with the given replies, the last one again and again."""

    def __init__(self, *replies: bytes) -> None:
        self._replies = list(replies)
        self.port = 0
        self.requests: list[bytes] = []
        self.times: list[float] = []

    @asynccontextmanager
    async def listen(self, port: int = 0) -> AsyncIterator[str]:
        """Listen; yields the base URL."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
        await reader.readexactly(int(length[16:]))
        self.requests.append(head)
        self.times.append(time.monotonic())
        writer.write(self._replies.pop(0) if len(self._replies) > 1 else self._replies[0])
        writer.close()


@asynccontextmanager
async def exporting(endpoint: str) -> AsyncIterator[Exporter]:
    """Yield a running exporter."""
    exporter = Exporter(Envelope({}, "s", "1"))
    exporter.point_at(endpoint)
    running = asyncio.create_task(exporter.run())
    try:
        yield exporter
    finally:
        running.cancel()


def reply(status: int, headers: str = "", body: bytes = b"") -> bytes:
    """Return a reply of a collector."""
    return f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings of the exporter."""
    return [
        r.getMessage() for r in caplog.records if r.name == "spiko.export" and r.levelno >= logging.WARNING
    ]


async def test_an_outage_is_two_warnings(caplog: pytest.LogCaptureFixture) -> None:
    """Given a closed port, when spans are exported and the collector comes up later, then there is one
    warning at the first of several failures and one at the recovery, with the number of lost spans.
    """
    collector = Collector(OK)
    async with collector.listen() as endpoint:
        pass
    async with exporting(endpoint) as exporter:
        for _ in range(2_048 + 7):
            exporter.add(b"")
        await until(lambda: exporter.health.error is not None)
        assert (await exporter.send_batch()).again
        assert exporter.health.error == "refused"
        assert exporter.lost == 7
        assert len(warnings(caplog)) == 1
        async with collector.listen(collector.port):
            await until(lambda: exporter.exported == 2_048)

    first, second = warnings(caplog)
    assert first.startswith(f"collector {endpoint}: exports fail: refused; ")
    assert second == f"collector {endpoint}: exports succeed again; 7 spans were lost meanwhile"


async def test_a_misspelled_host_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """Given a host that does not exist, then the one warning says that its name is not known."""
    async with exporting("http://collector.invalid:4318") as exporter:
        exporter.add(b"")
        await until(lambda: exporter.health.error is not None)
        await exporter.send_batch()

    (text,) = warnings(caplog)
    assert text.startswith("collector http://collector.invalid:4318: exports fail: ")
    assert "name" in text.lower()


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_every_success_is_counted_as_exported(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """Given a collector that answers 200, 202 or 204, then all spans count as exported without a warning."""
    answer = OK if status == 200 else f"HTTP/1.1 {status} X\r\n\r\n".encode()
    if status == 202:
        answer = reply(202)
    async with Collector(answer).listen() as endpoint, exporting(endpoint) as exporter:
        for _ in range(BATCH + 1):
            exporter.add(b"")
        await until(lambda: exporter.exported == BATCH + 1)

    assert (exporter.lost, exporter.health.error, warnings(caplog)) == (0, "", [])


@pytest.mark.long
async def test_retry_after_comes_before_the_own_backoff() -> None:
    """Given 503 with Retry-After: 3, then the next attempt comes about 3 s later, not after the back-off of
    1 s.
    """
    collector = Collector(reply(503, "Retry-After: 3\r\n"), OK)
    async with collector.listen() as endpoint, exporting(endpoint) as exporter:
        exporter.add(b"")
        await until(lambda: exporter.exported == 1, seconds=20)

    assert 2.9 <= collector.times[1] - collector.times[0]


async def test_a_new_endpoint_does_not_wait_for_the_old_one() -> None:
    """Given a collector that asks for a minute, when another endpoint is configured, then spans go there at
    once.
    """
    busy, other = Collector(reply(429, "Retry-After: 3600\r\n")), Collector(OK)
    async with busy.listen() as one, other.listen() as two, exporting(one) as exporter:
        exporter.add(b"")
        await until(lambda: exporter.health.error == "status 429")
        exporter.point_at(two)
        assert exporter.health.error is None
        await until(lambda: exporter.exported == 1, seconds=3)


async def test_rejected_spans_are_lost_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Given a partial success, then its rejected spans count as lost, the others as exported, and the warning
    has the collector's words.
    """
    partial = ExportTraceServiceResponse()
    partial.partial_success.rejected_spans = 3
    partial.partial_success.error_message = "attribute too long"
    body = partial.SerializeToString()
    async with Collector(reply(200, body=body), OK).listen() as endpoint, exporting(endpoint) as exporter:
        for _ in range(10):
            exporter.add(b"")
        await until(lambda: exporter.exported == 7)
        assert (exporter.take_dropped(), exporter.take_dropped()) == (3, 0)
        exporter.add(b"")
        await until(lambda: exporter.exported == 8)

    first, second = warnings(caplog)
    assert "exports fail: rejects spans: 'attribute too long'" in first
    assert second.endswith("3 spans were lost meanwhile")


@pytest.mark.parametrize("path", ["", "/", "/v1/traces", "/v1/traces/"])
async def test_the_path_is_appended_once(path: str) -> None:
    """Given a base URL, or one that ends in /v1/traces, then spans are posted to /v1/traces, with the host of
    the URL.
    """
    collector = Collector(OK)
    async with collector.listen(), exporting(f"http://localhost:{collector.port}{path}") as exporter:
        exporter.add(b"")
        await until(lambda: exporter.exported == 1, seconds=10)

    assert collector.requests[0].startswith(b"POST /v1/traces HTTP/1.1\r\n")
    assert b"Host: localhost:%d\r\n" % collector.port in collector.requests[0]


def test_a_flapping_collector_is_reported_at_most_twice_in_ten_seconds() -> None:
    """Given a collector that fails every other time for 100 s, then there are at most two lines for each
    10 s, and none without a change.
    """
    health, lines = ExportHealth(), list[tuple[float, str]]()
    for step in range(200):
        now = step / 2
        health.record("status 400" if step % 2 else "", lost=step)
        if text := health.settle(now, step):
            lines.append((now, text))
        assert health.settle(now, step) is None

    assert 10 <= len(lines) <= 2 * 100 / LEAST_PAUSE_S + 1
    assert ["fail" in text for _, text in lines] == [i % 2 == 0 for i in range(len(lines))]


def test_an_error_that_lasts_is_reported_after_the_pause() -> None:
    """Given a failure right after a recovery that lasts, then it is reported once the pause is over, although
    nothing new happened.
    """
    health = ExportHealth()
    for now, error in ((0.0, "refused"), (1.0, ""), (2.0, "timeout")):
        health.record(error, 0)
        health.settle(now, 0)

    assert (health.settle(10.9, 0), health.error) == (None, "")
    assert "timeout" in (health.settle(11.0, 0) or "")

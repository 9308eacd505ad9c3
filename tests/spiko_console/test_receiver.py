"""The endpoint: OpenTelemetry's own exporter sends to it."""

from __future__ import annotations

import asyncio
import io

import aiohttp
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from spiko_console import otlp
from spiko_console.receiver import Receiver
from spiko_console.store import TraceStore


async def test_the_sdks_exporter_is_understood() -> None:
    """Protobuf with gzip, as OpenTelemetry sends it; the listener hears of every request."""
    store, heard = TraceStore(), list[otlp.Request]()
    async with Receiver(store, heard.append).listen() as endpoint:
        await asyncio.to_thread(_send, f"{endpoint}/v1/traces")
    store.close()
    (trace,) = store.recent()

    assert ["outer", "inner"] == [span.name for span in sorted(trace.spans, key=lambda s: s.start_ns)]
    assert ("sdk", "outer") == (trace.root.service, trace.root.name)
    assert 2 == len(heard)


def _send(url: str) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "sdk"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(url, compression=Compression.Gzip)))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    provider.shutdown()


async def test_nonsense_is_answered_and_does_no_harm() -> None:
    """400, 404, 405, 413, 415: an answer for each, and the next good request counts."""
    store = TraceStore()
    receiver = Receiver(store)
    asked = [
        (400, "POST", "/v1/traces", b"\xff", otlp.PROTOBUF),
        (415, "POST", "/v1/traces", b"x", "text/plain"),
        (413, "POST", "/v1/traces", bytes(otlp.MOST_BYTES + 1), otlp.PROTOBUF),
        (404, "POST", "/v1/metrics", b"", otlp.PROTOBUF),
        (405, "GET", "/v1/traces", b"", otlp.PROTOBUF),
        (200, "POST", "/v1/traces", b"{}", otlp.JSON),
    ]
    async with receiver.listen() as endpoint, aiohttp.ClientSession() as session:
        for status, method, path, body, kind in asked:
            async with session.request(
                method, endpoint + path, data=io.BytesIO(body), headers={"Content-Type": kind}
            ) as reply:
                assert status == reply.status
    assert 0 == store.spans

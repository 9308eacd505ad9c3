"""The OTLP endpoint."""

from __future__ import annotations

import asyncio
import io

import aiohttp
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from spiko_console import otlp
from spiko_console.receiver import Receiver
from spiko_console.store import TraceStore

HEADER = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"


async def test_the_exporter_of_the_sdk_is_accepted() -> None:
    """Given OpenTelemetry's exporter with gzip, then its spans are one trace, and the listener is called."""
    store, received = TraceStore(), list[otlp.Request]()
    async with Receiver(store, received.append).listen() as endpoint:
        await asyncio.to_thread(_send, f"{endpoint}/v1/traces")
    store.close()
    (trace,) = store.recent()

    assert ["outer", "inner"] == [span.name for span in sorted(trace.spans, key=lambda s: s.start_ns)]
    assert ("sdk", "outer") == (trace.root.service, trace.root.name)
    assert 2 == len(received)


def _send(url: str) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "sdk"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(url, compression=Compression.Gzip)))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    provider.shutdown()


async def test_malformed_requests_get_a_4xx_and_later_ones_are_accepted() -> None:
    """Given malformed requests, then each gets its status, and the next valid one gets 200."""
    store = TraceStore()
    receiver = Receiver(store)
    requests = [
        (400, "POST", "/v1/traces", b"\xff", otlp.PROTOBUF),
        (415, "POST", "/v1/traces", b"x", "text/plain"),
        (413, "POST", "/v1/traces", bytes(otlp.MAX_BYTES + 1), otlp.PROTOBUF),
        (404, "POST", "/v1/metrics", b"", otlp.PROTOBUF),
        (405, "GET", "/v1/traces", b"", otlp.PROTOBUF),
        (200, "POST", "/v1/traces", b"{}", otlp.JSON),
    ]
    async with receiver.listen() as endpoint, aiohttp.ClientSession() as session:
        for status, method, path, body, kind in requests:
            async with session.request(
                method, endpoint + path, data=io.BytesIO(body), headers={"Content-Type": kind}
            ) as reply:
                assert status == reply.status
    assert 0 == store.spans


async def test_malformed_bytes_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Given requests that are not valid HTTP, then they are refused, and nothing is logged: each would be a
    traceback with bytes of the client.
    """
    replies = []
    async with Receiver(TraceStore()).listen() as endpoint:
        host, _, port = endpoint.removeprefix("http://").partition(":")
        for data in (
            b"GET / HTTP/1.9\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1e400\r\n\r\n",
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nExpect: \xff\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(data)
            replies.append(await reader.readline())
            writer.close()

    assert [int(reply.split()[1]) for reply in replies] == [400, 400, 500]
    assert [] == caplog.records


@pytest.mark.parametrize(
    "data",
    [b"", HEADER[:20], HEADER + b"ab"],
    ids=["nothing", "half a header", "half a body"],
)
async def test_idle_and_slow_clients_end(data: bytes) -> None:
    """Given a client that sends nothing or half a request, then its connection ends."""
    async with Receiver(TraceStore(), idle_s=0.05).listen() as endpoint, asyncio.timeout(5):
        host, _, port = endpoint.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        reply = await reader.read()
        writer.close()

    assert (b" 408 " in reply) == data.startswith(HEADER)


async def test_an_ipv6_address_is_in_brackets() -> None:
    """Given an IPv6 address to listen on, then the endpoint is a URL."""
    try:
        async with Receiver(TraceStore()).listen("::1") as endpoint:
            pass
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error.strerror}")

    assert endpoint.startswith("http://[::1]:")

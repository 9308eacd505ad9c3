"""Spans on their way to a collector with TLS, headers and gzip, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import logging
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from spiko_nanoservice.errors import ExportError
from spiko_nanoservice.telemetry.export import Exporter
from spiko_nanoservice.telemetry.spans import SERVER, Envelope, SpanTemplate
from spiko_nanoservice.wire.collector_client import GZIP_FROM_BYTES, CollectorClient
from tests.support.certificates import make_authority, make_certificate
from tests.support.collector_server import Collector, listening
from tests.support.loopback_cluster import until

TOKEN = "s3cr3t-Bearer-7a91"
CA = make_authority()
GOOD = make_certificate(CA, "localhost", "127.0.0.1")


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on the event loop of the pods as well: it has a TLS implementation of its own."""

    def run(loop: str, **arguments: Any) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(test(**arguments))

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    own = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    signature = inspect.signature(test)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), own])  # type: ignore[attr-defined]
    return pytest.mark.parametrize("loop", LOOPS)(run)  # type: ignore[no-any-return]


@asynccontextmanager
async def exporter(url: str, secret: Path) -> AsyncIterator[Exporter]:
    """Yield an exporter with one queued span, which does not send by itself."""
    made = Exporter(Envelope({}, "s", "1"), str(secret))
    made.point_at(url)
    made.add(b"")
    try:
        yield made
    finally:
        made.point_at("")


def write(folder: Path, **files: str | bytes) -> Path:
    """Write the files of a Secret, `headers` and `ca`."""
    for name, content in files.items():
        path = folder / {"ca": "ca.crt"}.get(name, name)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


@on_both_loops
async def test_spans_reach_a_collector_with_a_trusted_certificate(tmp_path: Path) -> None:
    """Given a certificate of the CA in ca.crt for the host, then spans are taken over one connection of TLS
    1.2 or newer, and the headers of the Secret arrive with the pod's own.
    """
    collector = Collector()
    secret = write(tmp_path, ca=CA.pem, headers=f"Authorization: Bearer {TOKEN}\nx-tenant: 7\n")
    async with (
        listening(collector.serve, GOOD.server_context(tmp_path)) as port,
        exporter(f"https://localhost:{port}/otlp", secret) as sender,
    ):
        sender.add(b"")
        await sender.send_batch()
        sender.add(b"")
        await sender.send_batch()
        assert (sender.exported, sender.lost, sender.health.error) == (3, 0, "")

    assert 1 == collector.connections
    for head in collector.heads:
        first, *lines = head.decode().rstrip().split("\r\n")
        assert "POST /otlp/v1/traces HTTP/1.1" == first
        assert f"Authorization: Bearer {TOKEN}" in lines
        assert "x-tenant: 7" in lines
        assert f"Host: localhost:{port}" in lines
        assert "Content-Type: application/x-protobuf" in lines


@on_both_loops
async def test_an_address_is_verified_too(tmp_path: Path) -> None:
    """Given a URL with an address that the certificate names, then spans are taken."""
    collector = Collector()
    async with (
        listening(collector.serve, GOOD.server_context(tmp_path)) as port,
        exporter(f"https://127.0.0.1:{port}", write(tmp_path, ca=CA.pem)) as sender,
    ):
        await sender.send_batch()
        assert (sender.exported, sender.health.error) == (1, "")


UNTRUSTED = [
    ("expired", make_certificate(CA, "localhost", first_day=-9, last_day=-2), "has expired"),
    ("future", make_certificate(CA, "localhost", first_day=2, last_day=9), "is not valid yet"),
    ("other name", make_certificate(CA, "elsewhere.example"), "is for another host name"),
    ("other CA", make_certificate(make_authority(), "localhost"), "is signed by an unknown CA"),
    ("self-signed", make_certificate(None, "localhost"), "is signed by itself"),
]


@pytest.mark.parametrize(
    ("certificate", "cause"), [row[1:] for row in UNTRUSTED], ids=[r[0] for r in UNTRUSTED]
)
@on_both_loops
async def test_a_certificate_that_cannot_be_verified_is_named(
    certificate: object, cause: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a certificate that is expired, early, for another host, or of another CA, then no request is
    sent, the spans stay queued, and the health has the cause.
    """
    collector = Collector()
    secret = write(tmp_path, ca=CA.pem, headers=f"authorization: {TOKEN}")
    async with (
        listening(collector.serve, certificate.server_context(tmp_path)) as port,  # type: ignore[attr-defined]
        exporter(f"https://localhost:{port}", secret) as sender,
    ):
        assert (await sender.send_batch()).again
        assert f"TLS: its certificate {cause}" in (sender.health.error or "")
        assert (sender.exported, sender.lost) == (0, 0)

    assert [] == collector.heads
    assert TOKEN not in caplog.text


@on_both_loops
async def test_another_address_is_named(tmp_path: Path) -> None:
    """Given a URL with an address that the certificate does not name, then the health says so."""
    named = make_certificate(CA, "localhost")
    async with (
        listening(Collector().serve, named.server_context(tmp_path)) as port,
        exporter(f"https://127.0.0.1:{port}", write(tmp_path, ca=CA.pem)) as sender,
    ):
        await sender.send_batch()
        assert "TLS: its certificate is for another address" == sender.health.error


@on_both_loops
async def test_a_ca_that_is_added_later_is_used_without_a_restart(tmp_path: Path) -> None:
    """Given no ca.crt, then the CA is unknown; once the file exists, the next batch is taken; once it has
    another CA, an open connection is not used any more.
    """
    collector = Collector()
    async with (
        listening(collector.serve, GOOD.server_context(tmp_path)) as port,
        exporter(f"https://localhost:{port}", tmp_path) as sender,
    ):
        await sender.send_batch()
        assert "signed by an unknown CA; add the CA to ca.crt of the Secret" in (sender.health.error or "")
        write(tmp_path, ca=CA.pem)
        await sender.send_batch()
        assert (sender.exported, collector.connections) == (1, 1)

        write(tmp_path, ca=make_authority().pem)
        sender.add(b"")
        assert "unknown CA" in (await sender.send_batch()).error


@on_both_loops
async def test_an_invalid_ca_is_named(tmp_path: Path) -> None:
    """Given a ca.crt that is not PEM, then the health names the file."""
    async with exporter("https://localhost:1", write(tmp_path, ca="not PEM")) as sender:
        assert "ca.crt of the Secret: must have certificates in PEM" == (await sender.send_batch()).error


@on_both_loops
async def test_a_server_without_tls_is_named(tmp_path: Path) -> None:
    """Given a plain HTTP server at an https URL, then the health says that it does not speak TLS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with (
        listening(serve, None) as port,
        exporter(f"https://localhost:{port}", write(tmp_path, ca=CA.pem)) as sender,
    ):
        assert "does not speak TLS on this port" in (await sender.send_batch()).error


@on_both_loops
async def test_a_connection_that_ends_in_the_handshake_is_named(tmp_path: Path) -> None:
    """Given a server that closes the connection at once, then the health says when it ended."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with (
        listening(serve, None) as port,
        exporter(f"https://localhost:{port}", write(tmp_path, ca=CA.pem)) as sender,
    ):
        assert "TLS: it ended the connection during the handshake" == (await sender.send_batch()).error


@pytest.mark.parametrize(
    ("alert", "cause"),
    # RFC 8446, section 6: protocol_version, handshake_failure, certificate_required.
    [
        (70, "it has no version from 1.2 on"),
        (40, "handshake failed: sslv3 alert handshake failure"),
        (116, "handshake failed: tlsv13 alert certificate required"),
    ],
)
@on_both_loops
async def test_an_alert_in_the_handshake_is_named(alert: int, cause: str, tmp_path: Path) -> None:
    """Given a server that ends the handshake with an alert, then the health has its cause in words."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(bytes((21, 3, 3, 0, 2, 2, alert)))

    async with listening(serve, None) as port, exporter(f"https://localhost:{port}", tmp_path) as sender:
        assert f"TLS: {cause}" == (await sender.send_batch()).error


@on_both_loops
async def test_a_new_token_is_used_without_a_restart(tmp_path: Path) -> None:
    """Given an open connection, when the file of the headers is replaced or removed, then the next batch has
    the new headers, or none.
    """
    collector = Collector()
    secret = write(tmp_path, ca=CA.pem, headers=f"authorization: {TOKEN}")
    async with (
        listening(collector.serve, GOOD.server_context(tmp_path)) as port,
        exporter(f"https://localhost:{port}", secret) as sender,
    ):
        await sender.send_batch()
        write(tmp_path, headers="authorization: other-token")
        sender.add(b"")
        await sender.send_batch()
        (tmp_path / "headers").unlink()
        sender.add(b"")
        await sender.send_batch()

    sent = [[x for x in head.split(b"\r\n") if x.startswith(b"authorization")] for head in collector.heads]
    assert [[f"authorization: {TOKEN}".encode()], [b"authorization: other-token"], []] == sent
    assert 1 == collector.connections


@on_both_loops
async def test_an_invalid_line_is_named_by_its_number(tmp_path: Path) -> None:
    """Given headers with an invalid line, then nothing is sent, and the health has the line's number; once
    the file is corrected, spans are taken.
    """
    collector = Collector()
    secret = write(tmp_path, ca=CA.pem, headers=f"x-tenant: 7\nauthorization {TOKEN}\n")
    async with (
        listening(collector.serve, GOOD.server_context(tmp_path)) as port,
        exporter(f"https://localhost:{port}", secret) as sender,
    ):
        assert (await sender.send_batch()).again
        error = "headers of the Secret: line 2: must be `name: value` in printable ASCII"
        assert (sender.health.error, collector.connections) == (error, 0)
        write(tmp_path, headers="x-tenant: 7\n")
        await sender.send_batch()
        assert 1 == sender.exported


@on_both_loops
async def test_headers_are_not_sent_over_http(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Given an http endpoint, then spans are sent without the headers of the Secret, one warning says so, and
    a rejection has the hint.
    """
    collector = Collector()
    async with (
        listening(collector.serve, None) as port,
        exporter(f"http://localhost:{port}", write(tmp_path, headers=f"authorization: {TOKEN}")) as sender,
    ):
        await sender.send_batch()
        assert (sender.exported, sender.health.error) == (1, "")
        collector.reply = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
        sender.add(b"")
        verdict = await sender.send_batch()

    assert "status 401; the headers of the Secret are sent over https only" == verdict.error
    assert 1 == sum("are sent over https only" in r.getMessage() and "exports" not in r.getMessage()
                    for r in caplog.records)  # fmt: skip
    assert 2 == len(collector.heads)
    assert all(b"authorization" not in head.lower() for head in collector.heads)


@on_both_loops
async def test_a_token_is_in_no_status_and_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Given a collector that repeats the token in its message, then neither the health nor a log has it."""
    caplog.set_level(logging.DEBUG)
    partial = ExportTraceServiceResponse()
    partial.partial_success.rejected_spans = 1
    partial.partial_success.error_message = f"unknown token {TOKEN[:12]}..."
    body = partial.SerializeToString()
    collector = Collector(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    secret = write(tmp_path, ca=CA.pem, headers=f"authorization: Bearer {TOKEN}")
    async with (
        listening(collector.serve, GOOD.server_context(tmp_path)) as port,
        exporter(f"https://localhost:{port}", secret) as sender,
    ):
        await sender.send_batch()
        assert "rejects spans: its message repeats a header of the Secret" == sender.health.error

    assert TOKEN.encode() in collector.heads[0]
    assert TOKEN[:12] not in caplog.text


@on_both_loops
async def test_compressed_spans_are_the_same(tmp_path: Path) -> None:
    """Given Gzip, then a large body is sent with Content-Encoding and decodes to the message that is sent
    without it; a small body is sent as it is.
    """
    template = SpanTemplate("GET /k/{key}", SERVER, {"http.route": "/k/{key}"}, "url.path")
    spans = [
        template.encode(b"%016d" % n, b"%08d" % n, b"", 10**18 + n, 10**18 + 7 * n, b"/k/Why%d" % n)
        for n in range(300)
    ]
    collector = Collector()
    async with (
        listening(collector.serve, None) as port,
        exporter(f"http://localhost:{port}", tmp_path) as sender,
    ):
        sender.gzip = True
        await sender.send_batch()
        for compressed in (True, False):
            sender.gzip = compressed
            for span in spans:
                sender.add(span)
            await sender.send_batch()
        assert 601 == sender.exported

    small, packed, plain = collector.bodies
    assert [False, True, False] == [b"Content-Encoding: gzip\r\n" in head for head in collector.heads]
    assert len(small) < GZIP_FROM_BYTES
    assert len(packed) * 3 < len(plain)
    decoded = ExportTraceServiceRequest.FromString(gzip.decompress(packed))
    assert ExportTraceServiceRequest.FromString(plain) == decoded
    assert 300 == len(decoded.resource_spans[0].scope_spans[0].spans)


@on_both_loops
async def test_a_collector_without_gzip_is_named(tmp_path: Path) -> None:
    """Given a collector that answers 415, then the error of a compressed batch has a remedy."""
    collector = Collector(b"HTTP/1.1 415 Unsupported Media Type\r\nContent-Length: 0\r\n\r\n")
    async with (
        listening(collector.serve, None) as port,
        exporter(f"http://localhost:{port}", tmp_path) as sender,
    ):
        assert "status 415" == (await sender.send_batch()).error
        sender.gzip = True
        sender.add(bytes(GZIP_FROM_BYTES))
        verdict = await sender.send_batch()

    assert "status 415: it does not take gzip; use compression: None" == verdict.error
    assert 1 == verdict.lost


@on_both_loops
async def test_a_slow_handshake_ends_at_the_deadline(tmp_path: Path) -> None:
    """Given a server that never answers the handshake, then the attempt ends at the deadline, and its
    connection is closed.
    """
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4_096):
            pass
        closed.set()

    loop = asyncio.get_running_loop()
    async with listening(serve, None) as port:
        client = CollectorClient(f"https://localhost:{port}", str(tmp_path), timeout_s=0.3)
        begun = loop.time()
        with pytest.raises(ExportError, match="timeout"):
            await client.post(b"", gzip=False)
        assert loop.time() - begun < 3
        await until(closed.is_set)


@pytest.mark.parametrize(
    "beginning", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b""]
)
@on_both_loops
async def test_an_endless_reply_is_bounded(beginning: bytes, tmp_path: Path) -> None:
    """Given a collector whose reply or header never ends, then the attempt fails with little memory."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(beginning)
        chunk = b"ff\r\n" + b"x" * 255 + b"\r\n" if b"chunked" in beginning else b"x" * 259
        while not writer.transport.is_closing():
            writer.write(chunk * 256)
            await writer.drain()
            await asyncio.sleep(0)

    async with (
        listening(serve, GOOD.server_context(tmp_path)) as port,
        exporter(f"https://localhost:{port}", write(tmp_path, ca=CA.pem)) as sender,
    ):
        tracemalloc.start()
        try:
            verdict = await sender.send_batch()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert "protocol" == verdict.error
    assert peak < 8_000_000

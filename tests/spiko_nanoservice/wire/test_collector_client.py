"""Headers of a Secret and compression on the way to a collector, over real sockets."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from spiko_nanoservice.telemetry.spans import SERVER, SpanTemplate
from spiko_nanoservice.wire.collector_client import GZIP_FROM_BYTES
from tests.support.certificates import make_authority, make_certificate
from tests.support.collector_server import Collector, exporter, listening, write_secret
from tests.support.event_loops import on_both_loops

TOKEN = "s3cr3t-Bearer-7a91"
CA = make_authority()
GOOD = make_certificate(CA, "localhost")


@on_both_loops
async def test_spans_reach_a_collector_with_a_trusted_certificate(tmp_path: Path) -> None:
    """Given a certificate of the CA in ca.crt for the host, then spans are taken over one connection of TLS
    1.2 or newer, and the headers of the Secret arrive with the pod's own.
    """
    collector = Collector()
    secret = write_secret(tmp_path, ca=CA.pem, headers=f"Authorization: Bearer {TOKEN}\nx-tenant: 7\n")
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
async def test_a_new_token_is_used_without_a_restart(tmp_path: Path) -> None:
    """Given an open connection, when the file of the headers is replaced or removed, then the next batch has
    the new headers, or none.
    """
    collector = Collector()
    secret = write_secret(tmp_path, ca=CA.pem, headers=f"authorization: {TOKEN}")
    async with (
        listening(collector.serve, GOOD.server_context(tmp_path)) as port,
        exporter(f"https://localhost:{port}", secret) as sender,
    ):
        await sender.send_batch()
        write_secret(tmp_path, headers="authorization: other-token")
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
    secret = write_secret(tmp_path, ca=CA.pem, headers=f"x-tenant: 7\nauthorization {TOKEN}\n")
    async with (
        listening(collector.serve, GOOD.server_context(tmp_path)) as port,
        exporter(f"https://localhost:{port}", secret) as sender,
    ):
        assert (await sender.send_batch()).again
        error = "headers of the Secret: line 2: must be `name: value` in printable ASCII"
        assert (sender.health.error, collector.connections) == (error, 0)
        write_secret(tmp_path, headers="x-tenant: 7\n")
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
        exporter(
            f"http://localhost:{port}", write_secret(tmp_path, headers=f"authorization: {TOKEN}")
        ) as sender,
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
    secret = write_secret(tmp_path, ca=CA.pem, headers=f"authorization: Bearer {TOKEN}")
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

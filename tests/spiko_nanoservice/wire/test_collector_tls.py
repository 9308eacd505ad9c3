"""TLS to a collector, over real sockets: which certificates are trusted, and what failures are called."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from spiko_nanoservice.errors import ExportError
from spiko_nanoservice.wire.collector_client import CollectorClient
from tests.support.certificates import make_authority, make_certificate
from tests.support.collector_server import Collector, exporter, listening, write_secret
from tests.support.event_loops import on_both_loops
from tests.support.loopback_cluster import until

TOKEN = "s3cr3t-Bearer-7a91"
CA = make_authority()
GOOD = make_certificate(CA, "localhost", "127.0.0.1")


@on_both_loops
async def test_an_address_is_verified_too(tmp_path: Path) -> None:
    """Given a URL with an address that the certificate names, then spans are taken."""
    collector = Collector()
    async with (
        listening(collector.serve, GOOD.server_context(tmp_path)) as port,
        exporter(f"https://127.0.0.1:{port}", write_secret(tmp_path, ca=CA.pem)) as sender,
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
    secret = write_secret(tmp_path, ca=CA.pem, headers=f"authorization: {TOKEN}")
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
        exporter(f"https://127.0.0.1:{port}", write_secret(tmp_path, ca=CA.pem)) as sender,
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
        write_secret(tmp_path, ca=CA.pem)
        await sender.send_batch()
        assert (sender.exported, collector.connections) == (1, 1)

        write_secret(tmp_path, ca=make_authority().pem)
        sender.add(b"")
        assert "unknown CA" in (await sender.send_batch()).error


@on_both_loops
async def test_an_invalid_ca_is_named(tmp_path: Path) -> None:
    """Given a ca.crt that is not PEM, then the health names the file."""
    async with exporter("https://localhost:1", write_secret(tmp_path, ca="not PEM")) as sender:
        assert "ca.crt of the Secret: must have certificates in PEM" == (await sender.send_batch()).error


@on_both_loops
async def test_a_server_without_tls_is_named(tmp_path: Path) -> None:
    """Given a plain HTTP server at an https URL, then the health says that it does not speak TLS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with (
        listening(serve, None) as port,
        exporter(f"https://localhost:{port}", write_secret(tmp_path, ca=CA.pem)) as sender,
    ):
        assert "does not speak TLS on this port" in (await sender.send_batch()).error


@on_both_loops
async def test_a_connection_that_ends_in_the_handshake_is_named(tmp_path: Path) -> None:
    """Given a server that closes the connection at once, then the health says when it ended."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with (
        listening(serve, None) as port,
        exporter(f"https://localhost:{port}", write_secret(tmp_path, ca=CA.pem)) as sender,
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
        exporter(f"https://localhost:{port}", write_secret(tmp_path, ca=CA.pem)) as sender,
    ):
        tracemalloc.start()
        try:
            verdict = await sender.send_batch()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert "protocol" == verdict.error
    assert peak < 8_000_000

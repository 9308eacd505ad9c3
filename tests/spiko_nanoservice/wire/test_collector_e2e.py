"""Spans on their way to a real OpenTelemetry Collector with TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from spiko_nanoservice.telemetry.export import Exporter
from spiko_nanoservice.telemetry.spans import SERVER, Envelope, SpanTemplate
from tests.support.certificates import make_authority, make_certificate
from tests.support.collectors import collector
from tests.support.loopback_cluster import until

pytestmark = [pytest.mark.e2e, pytest.mark.real]  # the Collector is built with Go
SPANS = 300


async def test_a_real_collector_takes_compressed_spans_over_tls(tmp_path: Path) -> None:
    """Given a Collector with a certificate of a private CA, then it refuses no span of a pod that trusts the
    CA, and writes all of them; a pod that does not trust the CA sends none.
    """
    authority = make_authority()
    template = SpanTemplate("GET /k/{key}", SERVER, {}, "url.path")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "headers").write_text("authorization: Bearer s3cr3t\n")
    certificate = make_certificate(authority, "127.0.0.1").write(tmp_path)
    with collector(tmp_path, certificate) as running:
        exporter = Exporter(Envelope({"service.name": "db"}, "s", "1"), str(secret))
        exporter.point_at(running.endpoint)
        exporter.gzip = True
        for n in range(SPANS):
            exporter.add(template.encode(b"%016d" % n, b"%08d" % n, b"", 10**18, 10**18 + n, b"/k/%d" % n))
        assert "unknown CA" in (await exporter.send_batch()).error
        (secret / "ca.crt").write_bytes(authority.pem)
        await exporter.send_batch()
        assert (exporter.exported, exporter.lost, exporter.health.error) == (SPANS, 0, "")
        await exporter.flush(1.0)
        await until(lambda: len(running.spans()) == SPANS, 20)

        paths = {span["attributes"]["url.path"] for span in running.spans()}
        assert paths == {f"/k/{n}" for n in range(SPANS)}

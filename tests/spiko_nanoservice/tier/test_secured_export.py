"""A pod that exports to a secured collector, from its configuration and its Secret to the decoded spans."""

from __future__ import annotations

import gzip
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spiko_nanoservice.contract import OTLP_SECRET_PATH
from tests.support.certificates import make_authority, make_certificate
from tests.support.collector_server import Collector, listening, write_secret
from tests.support.keys import write_keys
from tests.support.loopback_cluster import ask, configuration, loopback_cluster, tier, until

REQUESTS = 20


async def test_a_pod_uses_its_secret_and_the_configured_compression(tmp_path: Path) -> None:
    """Given an https endpoint, gzip, and the files of the Secret in the pod's volume, when requests are
    answered, then their spans arrive compressed and with the header; without gzip, as they are.
    """
    authority, collector, root = make_authority(), Collector(), str(tmp_path)
    write_keys(root)
    write_secret(Path(root + OTLP_SECRET_PATH), ca=authority.pem, headers="authorization: Bearer s3cr3t")
    context = make_certificate(authority, "localhost").server_context(tmp_path)

    async with listening(collector.serve, context) as port, loopback_cluster() as t:
        endpoint = f"https://localhost:{port}"
        eureka = await t.add_eureka(
            "a", configuration(tier("db", "store"), otlp_endpoint=endpoint, otlp_gzip=True)
        )
        pod = await t.add("db-0", "db", "store", SPIKO_VOLUMES_ROOT=root)
        await until(lambda: pod.exporter.endpoint == endpoint)
        for _ in range(REQUESTS):
            await ask(pod, "GET", "/k/a")
        await until(lambda: pod.exporter.exported == REQUESTS)
        compressed = len(collector.bodies)
        eureka.eureka.perform(
            eureka.eureka.registry.configure(
                configuration(tier("db", "store"), otlp_endpoint=endpoint, counter=2), 0.0
            )
        )
        await until(lambda: not pod.exporter.gzip)
        for _ in range(REQUESTS):
            await ask(pod, "GET", "/k/a")
        await until(lambda: pod.exporter.exported == 2 * REQUESTS)

    received = [
        ExportTraceServiceRequest.FromString(gzip.decompress(body) if at < compressed else body)
        for at, body in enumerate(collector.bodies)
    ]
    spans = [len(message.resource_spans[0].scope_spans[0].spans) for message in received]
    assert 2 * REQUESTS == sum(spans)
    assert all(b"authorization: Bearer s3cr3t\r\n" in head for head in collector.heads)

"""Pure: the rules on `spec.telemetry`: endpoints that follow the schema and are unlikely to take spans."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spiko_nanoservice.contract.otlp_endpoint import GRPC_PORT, HTTP_PORT, TRACES_PATH, parse_otlp_endpoint
from spiko_operator.api.architecture import ENDPOINT_PATTERN
from spiko_operator.plan.validation.findings import Finding, found
from spiko_operator.plan.validation.partial_spec import PartialSpec

PATH = "spec.telemetry.otlpEndpoint"
OTHER_SIGNALS = ("/v1/metrics", "/v1/logs")


def telemetry_rules(spec: PartialSpec) -> list[Finding]:
    """Return the findings about the endpoint; one that violates the schema has its finding already."""
    url = spec.otlp_endpoint
    return list(_endpoint(url)) if url is not None and re.match(ENDPOINT_PATTERN, url) else []


def _endpoint(url: str) -> Iterator[Finding]:
    endpoint = parse_otlp_endpoint(url)
    if endpoint.port == GRPC_PORT:
        yield found(
            "UnlikelyEndpoint",
            PATH,
            url,
            f"port {GRPC_PORT} is that of OTLP/gRPC, and pods send OTLP/HTTP",
            f"use the HTTP port of the collector, usually {HTTP_PORT}",
        )
    path = url.rstrip("/")
    if path.endswith(TRACES_PATH):
        yield found(
            "UnlikelyEndpoint",
            PATH,
            url,
            f"must be a base URL, to which pods add {TRACES_PATH}; this URL is used as it is",
            f'use "{path.removesuffix(TRACES_PATH)}"',
        )
    elif path.endswith(OTHER_SIGNALS):
        yield found(
            "UnlikelyEndpoint",
            PATH,
            url,
            f"the path belongs to another signal: spans would be sent to {endpoint.path}",
            "use the base URL of the collector",
        )

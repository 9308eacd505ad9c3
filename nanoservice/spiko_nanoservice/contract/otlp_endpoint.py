"""Pure: the base URL of an OTLP/HTTP collector, with the meaning of OTEL_EXPORTER_OTLP_ENDPOINT.

Source: opentelemetry.io/docs/specs/otel/protocol/exporter, "Endpoint URLs for OTLP/HTTP".
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

TRACES_PATH = "/v1/traces"
HTTP_PORT, GRPC_PORT = 4318, 4317


@dataclass(frozen=True, slots=True)
class OtlpEndpoint:
    """Where spans are sent.

    Attributes:
        host: a name or an address.
        port: of the collector.
        path: of the request.
    """

    host: str
    port: int
    path: str


def parse_otlp_endpoint(url: str) -> OtlpEndpoint:
    """Return where the spans for a base URL are sent: /v1/traces is appended unless the URL ends in it.

    >>> parse_otlp_endpoint("http://collector/tenant")
    OtlpEndpoint(host='collector', port=4318, path='/tenant/v1/traces')
    >>> parse_otlp_endpoint("http://collector:80/v1/traces").path
    '/v1/traces'

    Raises:
        ValueError: the URL is not http://HOST[:PORT][/PATH].
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r}: must be http://HOST:PORT")
    path = parts.path.rstrip("/")
    return OtlpEndpoint(
        parts.hostname, parts.port or HTTP_PORT, path if path.endswith(TRACES_PATH) else path + TRACES_PATH
    )

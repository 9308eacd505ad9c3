"""Pure: the base URL of an OTLP/HTTP collector, with the meaning of OTEL_EXPORTER_OTLP_ENDPOINT.

Source: opentelemetry.io/docs/specs/otel/protocol/exporter, "Endpoint URLs for OTLP/HTTP".
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

TRACES_PATH = "/v1/traces"
HTTP_PORT, HTTPS_PORT, GRPC_PORT = 4318, 443, 4317


@dataclass(frozen=True, slots=True)
class OtlpEndpoint:
    """Where spans are sent.

    Attributes:
        host: a name or an address.
        port: of the collector.
        path: of the request.
        tls: whether the scheme is https.
    """

    host: str
    port: int
    path: str
    tls: bool = False


def parse_otlp_endpoint(url: str) -> OtlpEndpoint:
    """Return where the spans for a base URL are sent: /v1/traces is appended unless the URL ends in it.

    Without a port it is 4318 for http, which collectors in a cluster listen on, and 443 for https, which
    hosted collectors listen on.

    >>> parse_otlp_endpoint("http://collector/tenant")
    OtlpEndpoint(host='collector', port=4318, path='/tenant/v1/traces', tls=False)
    >>> parse_otlp_endpoint("https://collector.example/v1/traces")
    OtlpEndpoint(host='collector.example', port=443, path='/v1/traces', tls=True)

    Raises:
        ValueError: the URL is not http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH].
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r}: must be http://HOST:PORT or https://HOST:PORT")
    tls = parts.scheme == "https"
    path = parts.path.rstrip("/")
    return OtlpEndpoint(
        parts.hostname,
        parts.port or (HTTPS_PORT if tls else HTTP_PORT),
        path if path.endswith(TRACES_PATH) else path + TRACES_PATH,
        tls,
    )

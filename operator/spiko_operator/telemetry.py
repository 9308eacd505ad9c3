"""Traces of the operator itself, by the OpenTelemetry SDK.

Tracing is on if OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set; otherwise the SDK
is not imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opentelemetry import trace


def start_tracing(environ: Mapping[str, str]) -> tuple[trace.Tracer, Callable[[], None]]:
    """Return a tracer, and the function that flushes it at the end.

    The SDK reads the OTEL_ variables itself.
    """
    wanted = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not wanted or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return trace.NoOpTracerProvider().get_tracer("spiko_operator"), lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create({"service.name": environ.get("OTEL_SERVICE_NAME", "spiko-operator")})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("spiko_operator"), provider.shutdown

"""Encoded spans equal the SDK's and follow the semantic conventions."""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv.attributes import http_attributes, server_attributes, url_attributes
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from spiko_nanoservice.contract import Instance
from spiko_nanoservice.telemetry.export import Exporter
from spiko_nanoservice.telemetry.spans import CLIENT, ERROR, SERVER, Envelope, SpanTemplate
from spiko_nanoservice.telemetry.trace_context import SpanContext as Position
from spiko_nanoservice.telemetry.tracing import Tracer
from spiko_nanoservice.tier.request_context import Call, RequestContext

TRACE, SPAN, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, 0x00F067AA0BA902B7
RESOURCE = {"service.name": "web", "k8s.pod.name": "web-ü"}
STATIC: dict[str, str | int] = {"http.request.method": "GET", "server.port": 8080}


def by_the_sdk(kind: SpanKind, parent: bool, remote: bool, status: StatusCode) -> object:
    """Return the SDK's message for one span."""
    context = SpanContext(TRACE, SPAN, False, TraceFlags(1))
    above = SpanContext(TRACE, PARENT, remote, TraceFlags(1)) if parent else None
    span = ReadableSpan(
        name="GET /k/{key}",
        context=context,
        parent=above,
        kind=kind,
        attributes={**STATIC, "url.path": "/k/ä?"},
        status=Status(status),
        start_time=1_700_000_000_000_000_001,
        end_time=1_700_000_000_000_500_002,
        resource=Resource(RESOURCE),
        instrumentation_scope=InstrumentationScope("spiko", "0.1.0"),
    )
    return MessageToDict(encode_spans([span]))


def by_hand(kind: int, parent: bool, remote: bool, status: int) -> object:
    """Return an encoded span, decoded."""
    template = SpanTemplate("GET /k/{key}", kind, STATIC, "url.path", status, remote=remote)
    span = template.encode(
        TRACE.to_bytes(16, "big"),
        SPAN.to_bytes(8, "big"),
        PARENT.to_bytes(8, "big") if parent else b"",
        1_700_000_000_000_000_001,
        1_700_000_000_000_500_002,
        "/k/ä?".encode(),
    )
    request = ExportTraceServiceRequest()
    request.ParseFromString(Envelope(RESOURCE, "spiko", "0.1.0").wrap([span]))
    return MessageToDict(request)


def test_a_server_span_equals_the_sdks() -> None:
    """Given a served request, when its span is decoded, then ids, times, attributes, status and flags equal
    the SDK's.
    """
    assert by_the_sdk(SpanKind.SERVER, True, True, StatusCode.ERROR) == by_hand(SERVER, True, True, ERROR)


def test_a_root_client_span_equals_the_sdks() -> None:
    """Given a call of a source, when its span is decoded, then it equals the SDK's and has no parent id."""
    assert by_the_sdk(SpanKind.CLIENT, False, False, StatusCode.UNSET) == by_hand(CLIENT, False, False, 0)


def made(status: int, reason: str = "") -> tuple[dict[str, object], dict[str, object]]:
    """Return the SERVER and the CLIENT span of one outcome as plain values."""
    exporter = Exporter(Envelope(RESOURCE, "spiko", "0.1.0"))
    exporter.point_at("http://127.0.0.1:1")
    tracer = Tracer(exporter, Random(1), "10.0.0.1", 8080)
    callee = Instance("i", "db", "store", "1.0.0", "r", "a", "10.0.0.2", 8080)
    span = Position(b"%032x" % TRACE, b"%016x" % SPAN, b"%016x" % PARENT, True)
    context = RequestContext(b"GET", b"/k/a", b"", 1, 1_000_000, span)
    tracer.served(context, status or 503, reason, 2)
    tracer.called(Call(context, callee, b"GET", b"/k/a"), status, reason, 2)
    request = ExportTraceServiceRequest()
    request.ParseFromString(exporter._envelope.wrap(exporter._queue))
    spans = MessageToDict(request)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for span in spans:
        span["attributes"] = {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}
    return spans[0], spans[1]


def test_names_and_attributes_follow_the_conventions() -> None:
    """Given both kinds of span, then their attributes follow the stable HTTP semantic conventions."""
    server, client = made(200)

    assert (server["name"], client["name"]) == ("GET /k/{key}", "GET")
    wanted = {
        http_attributes.HTTP_REQUEST_METHOD,
        http_attributes.HTTP_RESPONSE_STATUS_CODE,
        server_attributes.SERVER_ADDRESS,
    }
    of_server = {http_attributes.HTTP_ROUTE, url_attributes.URL_PATH, url_attributes.URL_SCHEME}
    of_client = {server_attributes.SERVER_PORT, url_attributes.URL_FULL}
    served: Any = server["attributes"]
    called: Any = client["attributes"]
    assert wanted | of_server <= set(served)
    assert wanted | of_client <= set(called)
    assert called[url_attributes.URL_FULL] == "http://10.0.0.2:8080/k/a"


def test_a_miss_is_not_an_error_and_a_failure_is() -> None:
    """Given a 404, then the status is unset on both sides; given a 503 or no reply, then it is an error with
    its reason.
    """
    for span in made(404):
        assert not span.get("status")
    for status in (503, 0):
        for span in made(status, "refused"):
            assert span["status"] == {"code": "STATUS_CODE_ERROR"}
            assert span["attributes"]["error.type"] == "refused"  # type: ignore[index]


def test_a_frame_is_correct_for_every_length_of_the_varying_value() -> None:
    """Given more lengths than a template keeps frames for, bounds of varints included, then the SDK decodes
    every span.
    """
    template = SpanTemplate("GET /k/{key}", SERVER, STATIC, "url.path")
    for length in (*range(140), *range(16_370, 16_390)):
        for parent in (b"", PARENT.to_bytes(8, "big")):
            span = template.encode(
                TRACE.to_bytes(16, "big"), SPAN.to_bytes(8, "big"), parent, 1, 2, b"a" * length
            )
            request = ExportTraceServiceRequest()
            request.ParseFromString(Envelope(RESOURCE, "spiko", "0.1.0").wrap([span]))
            (found,) = request.resource_spans[0].scope_spans[0].spans

            assert found.attributes[-1].value.string_value == "a" * length
            assert found.parent_span_id == parent


def test_a_truncated_path_stays_valid_utf_8() -> None:
    """Given a long path, when it is cut within a character, then it stays valid: a collector rejects the
    whole batch otherwise.
    """
    exporter = Exporter(Envelope(RESOURCE, "spiko", "0.1.0"))
    exporter.point_at("http://127.0.0.1:1")
    path = b"/k/" + "ä".encode() * 1_100 + b"\xff"
    span = Position(b"%032x" % TRACE, b"%016x" % SPAN, b"", True)
    Tracer(exporter, Random(1), "10.0.0.1", 8080).served(
        RequestContext(b"GET", path, b"", 1, 1, span), 200, "", 2
    )
    request = ExportTraceServiceRequest()
    request.ParseFromString(exporter._envelope.wrap(exporter._queue))

    (found,) = request.resource_spans[0].scope_spans[0].spans
    assert found.attributes[-1].value.string_value == "/k/" + "ä" * 1_022

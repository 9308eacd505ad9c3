"""Pure: OTLP/HTTP bodies to spans, and to the JSON lines that a Collector's file exporter writes.

Bodies are protobuf or JSON, gzip or plain. OTLP's JSON differs from that of protobuf in one thing: ids are
hexadecimal, not base64.
Source: OTLP specification 1.x, "JSON Protobuf Encoding".
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spiko_console.errors import OtlpError
from spiko_console.spans import ERROR, Span, shorten

PROTOBUF, JSON = "application/x-protobuf", "application/json"
MAX_BYTES = 16 << 20  # of one request, decompressed; the limit of a Collector is 20 MiB
_IDS = ("traceId", "spanId", "parentSpanId")
Request = ExportTraceServiceRequest


def read_request(body: bytes, content_type: str, encoding: str) -> Request:
    """Read the body of a POST to /v1/traces.

    Args:
        body: as received.
        content_type: without parameters.
        encoding: Content-Encoding; empty, identity or gzip.

    Raises:
        OtlpError: the body is not an export; its `status` is 400, 413 or 415.
    """
    data = _unpack(body, encoding)
    if content_type == PROTOBUF:
        try:
            return Request.FromString(data)
        except DecodeError as error:
            raise OtlpError(f"body: not an ExportTraceServiceRequest: {error}") from error
    if content_type == JSON:
        return _read_json(data)
    raise OtlpError(f"Content-Type: {shorten(content_type, 80)!r}: must be {PROTOBUF} or {JSON}", 415)


def spans_of(request: Request) -> list[Span]:
    """Return all spans, except those with invalid ids, which belong to no trace."""
    found = []
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope in resource_spans.scope_spans:
            found += [
                Span(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    span.kind,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code == ERROR,
                    _attributes(span.attributes),
                    resource,
                )
                for span in scope.spans
                if len(span.trace_id) == 16 and len(span.span_id) == 8
            ]
    return found


def json_line(request: Request) -> str:
    """Return the request as one line of OTLP JSON.

    Jaeger's UI and a Collector's `otlpjsonfile` receiver read files of such lines.
    """
    document = MessageToDict(request)
    for span in _json_spans(document):
        for name in _IDS:
            if name in span:
                span[name] = base64.b64decode(span[name]).hex()
    return json.dumps(document, separators=(",", ":"))


def _unpack(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        data, rest = body, b""
    elif encoding == "gzip":
        unpacker = zlib.decompressobj(wbits=31)
        try:
            data = unpacker.decompress(body, MAX_BYTES + 1)
        except zlib.error as error:
            raise OtlpError(f"body: not gzip: {error}") from error
        rest = unpacker.unconsumed_tail
    else:
        raise OtlpError(f"Content-Encoding: {shorten(encoding, 80)!r}: must be gzip or identity", 415)
    if rest or len(data) > MAX_BYTES:
        raise OtlpError(f"body: larger than {MAX_BYTES} bytes; send smaller batches", 413)
    return data


def _read_json(data: bytes) -> Request:
    try:
        document = json.loads(data)
        if not isinstance(document, dict):
            raise OtlpError("body: not a JSON object")
        for span in _json_spans(document):
            for name in _IDS:
                if span.get(name):
                    span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
        return ParseDict(document, Request(), ignore_unknown_fields=True)
    except (ValueError, TypeError, AttributeError, RecursionError, ParseError, binascii.Error) as error:
        raise OtlpError(f"body: not an ExportTraceServiceRequest: {shorten(str(error), 200)}") from error


def _json_spans(document: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for resource_spans in document.get("resourceSpans", ()):
        for scope in resource_spans.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                yield span
                yield from span.get("links", ())


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind) if kind else None

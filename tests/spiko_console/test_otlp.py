"""OTLP bodies: protobuf and JSON are equivalent; invalid ones are rejected with a status."""

from __future__ import annotations

import gzip
import json

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from spiko_console.errors import OtlpError
from spiko_console.otlp import JSON, MAX_BYTES, PROTOBUF, Request, json_line, read_request, spans_of

TRACE, SPAN, PARENT = bytes(range(16)), b"\x01" * 8, b"\x02" * 8


def export() -> Request:
    """Return one span with attributes of every type."""
    request = Request()
    spans = request.resource_spans.add()
    spans.resource.attributes.add(key="service.name").value.string_value = "web"
    span = spans.scope_spans.add().spans.add(
        trace_id=TRACE, span_id=SPAN, parent_span_id=PARENT, name="GET", kind=Message.SPAN_KIND_SERVER,
        start_time_unix_nano=1_000, end_time_unix_nano=3_500,
    )  # fmt: skip
    span.status.code = Status.STATUS_CODE_ERROR
    span.attributes.add(key="text").value.string_value = "a"
    span.attributes.add(key="number").value.int_value = 1 << 60
    span.attributes.add(key="flag").value.bool_value = True
    span.attributes.add(key="list").value.array_value.values.add().double_value = 1.5
    span.links.add(trace_id=TRACE, span_id=PARENT)
    return request


def test_a_span_is_read_with_all_its_fields() -> None:
    """Given a span, then its ids are hexadecimal, its attributes plain, and its service is the resource's."""
    (span,) = spans_of(read_request(export().SerializeToString(), PROTOBUF, ""))

    assert (TRACE.hex(), SPAN.hex(), PARENT.hex()) == (span.trace_id, span.span_id, span.parent_id)
    assert ("web", True, 2_500) == (span.service, span.failed, span.took_ns)
    assert {"text": "a", "number": 1 << 60, "flag": True, "list": [1.5]} == span.attributes


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_json_and_protobuf_are_equivalent(packed: bool) -> None:
    """Given a request written as a JSON line, when it is read, then it is the same; ids are hexadecimal."""
    line = json_line(export())
    body = gzip.compress(line.encode()) if packed else line.encode()

    assert TRACE.hex() == json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]
    assert "\n" not in line
    assert export() == read_request(body, JSON, "gzip" if packed else "")


BROKEN = [
    ("not protobuf", b"\xff\xff\xff", PROTOBUF, "", 400),
    ("not JSON", b"{", JSON, "", 400),
    ("a JSON list", b"[]", JSON, "", 400),
    ("a JSON list of spans", b'{"resourceSpans": [1]}', JSON, "", 400),
    (
        "ids that are not hexadecimal",
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}', JSON, "", 400,
    ),
    ("nested too deeply", b'{"resourceSpans":' + b"[" * 100_000, JSON, "", 400),
    ("not gzip", b"plain", PROTOBUF, "gzip", 400),
    ("a form", b"a=1", "application/x-www-form-urlencoded", "", 415),
    ("brotli", b"", PROTOBUF, "br", 415),
    ("a gzip bomb", gzip.compress(bytes(MAX_BYTES + 1)), PROTOBUF, "gzip", 413),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "kind", "encoding", "status"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN]
)
def test_invalid_exports_are_rejected(body: bytes, kind: str, encoding: str, status: int) -> None:
    """Given an invalid body, then the error has a status for which exporters do not retry."""
    with pytest.raises(OtlpError) as caught:
        read_request(body, kind, encoding)

    assert status == caught.value.status


def test_spans_with_invalid_ids_are_skipped() -> None:
    """Given a span whose trace id is too short, then it belongs to no trace."""
    request = export()
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b"short"

    assert [] == spans_of(request)

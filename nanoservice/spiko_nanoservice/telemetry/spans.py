"""Pure: spans as OTLP protobuf, encoded from templates.

A template encodes everything that is fixed per name, kind, status and callee once. A span fills in ids, times
and the one attribute that varies; for each length of that attribute the template keeps a frame with all
length fields. A test compares the result with the SDK's own message, field for field. Source:
opentelemetry-proto trace.proto; field numbers are cited where they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

_fixed64 = Struct("<Q").pack
# Bits 8 and 9: has is-remote, is-remote (trace.proto, SpanFlags).
_PLAIN_FLAGS, _REMOTE_FLAGS = 0x100, 0x300

# Fields 1 and 2; field 4; fields 7 and 8 without the tag of 7.
_IDS_BYTES, _PARENT_BYTES, _TIMES_BYTES = 28, 10, 17
# Lengths of the varying value that a template keeps frames for; paths have few lengths.
MOST_FRAMES = 64
Frame = tuple[bytes, bytes, bytes]

SERVER, CLIENT = 2, 3  # trace.proto, SpanKind
UNSET, ERROR = 0, 2  # trace.proto, StatusCode


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _any_value(value: str | int) -> bytes:
    if isinstance(value, int):
        return b"\x18" + _varint(value & (1 << 64) - 1)
    return _field(1, value.encode())


def attribute(key: str, value: str | int) -> bytes:
    """Return a KeyValue message."""
    return _field(1, key.encode()) + _field(2, _any_value(value))


class SpanTemplate:
    """One kind of span, without ids, times and one varying string attribute.

    Args:
        name: span name, low cardinality.
        kind: SERVER or CLIENT.
        attributes: those that do not vary.
        varying: key of the attribute that is given with each span.
        status: UNSET or ERROR.
        remote: whether the parent is in another process, as for SERVER spans.
    """

    __slots__ = ("_child", "_flags_part", "_name_part", "_root", "_static", "_varying_key")

    def __init__(
        self,
        name: str,
        kind: int,
        attributes: Mapping[str, str | int],
        varying: str,
        status: int = UNSET,
        *,
        remote: bool = False,
    ) -> None:
        self._child: dict[int, Frame] = {}  # by the length of the varying value
        self._root: dict[int, Frame] = {}
        self._name_part = _field(5, name.encode()) + b"\x30" + _varint(kind)
        self._static = b"".join(_field(9, attribute(key, value)) for key, value in attributes.items())
        self._varying_key = _field(1, varying.encode())
        state = b"\x18" + _varint(status) if status else b""
        self._flags_part = (
            _field(15, state)
            + b"\x85\x01"
            + (_REMOTE_FLAGS if remote else _PLAIN_FLAGS).to_bytes(4, "little")
        )

    def _frame(self, length: int, root: bool) -> Frame:
        """Return what surrounds ids, times and a varying value of this length: head, middle, tail."""
        value_head = b"\x12" + _varint(length + 1 + len(_varint(length))) + b"\x0a" + _varint(length)
        attribute = self._varying_key + value_head
        tail = self._static + b"\x4a" + _varint(len(attribute) + length) + attribute
        middle = self._name_part + b"\x39"
        ids = _IDS_BYTES if root else _IDS_BYTES + _PARENT_BYTES
        total = ids + len(middle) + _TIMES_BYTES + len(tail) + length + len(self._flags_part)
        return b"\x12" + _varint(total) + b"\x0a\x10", middle, tail

    def _remember(self, frames: dict[int, Frame], length: int) -> Frame:
        if len(frames) >= MOST_FRAMES:
            frames.clear()
        frames[length] = frame = self._frame(length, root=frames is self._root)
        return frame

    def encode(
        self, trace_id: bytes, span_id: bytes, parent_id: bytes, start_ns: int, end_ns: int, varying: bytes
    ) -> bytes:
        """Return one Span, as the `spans` field of ScopeSpans.

        Args:
            trace_id: 16 bytes.
            span_id: 8 bytes.
            parent_id: 8 bytes, or empty for a root.
            start_ns: nanoseconds since 1970.
            end_ns: nanoseconds since 1970.
            varying: UTF-8 value of the varying attribute.
        """
        length = len(varying)
        start, end, flags = _fixed64(start_ns), _fixed64(end_ns), self._flags_part
        if parent_id:
            head, middle, tail = self._child.get(length) or self._remember(self._child, length)
            return b"%b%b\x12\x08%b\x22\x08%b%b%b\x41%b%b%b%b" % (
                head, trace_id, span_id, parent_id, middle, start, end, tail, varying, flags,
            )  # fmt: skip
        head, middle, tail = self._root.get(length) or self._remember(self._root, length)
        return b"%b%b\x12\x08%b%b%b\x41%b%b%b%b" % (
            head, trace_id, span_id, middle, start, end, tail, varying, flags,
        )  # fmt: skip


class Envelope:
    """Wraps encoded spans into an ExportTraceServiceRequest.

    Args:
        resource: attributes of the pod.
        scope: name of the instrumentation scope.
        version: of the scope.
    """

    def __init__(self, resource: Mapping[str, str | int], scope: str, version: str) -> None:
        self._resource = _field(1, b"".join(_field(1, attribute(k, v)) for k, v in resource.items()))
        self._scope = _field(1, _field(1, scope.encode()) + _field(2, version.encode()))

    def wrap(self, spans: list[bytes]) -> bytes:
        """Return the body of POST /v1/traces with Content-Type application/x-protobuf."""
        return _field(1, self._resource + _field(2, self._scope + b"".join(spans)))

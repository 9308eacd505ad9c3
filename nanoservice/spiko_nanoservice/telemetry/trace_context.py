"""Pure: the headers that travel with a request.

These are W3C trace context, baggage, the deadline, and the time of a write to a ring.

The rules are those of W3C Trace Context level 1: a malformed `traceparent` is ignored and a new trace begins;
a higher version is read as far as it is known. Durations travel, clock times do not. The one exception is the
time of a write that nodes of a ring pass on: of two writes of a key the later one wins, in whatever order
they arrive.
"""

from __future__ import annotations

import re

# The form of every version. Version 00 has exactly these fields, and is read without the regular expression.
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z").match
_HEX_DIGITS = b"0123456789abcdef"
_VERSION_00, _BYTES_OF_VERSION_00, _DASH = b"00-", 55, ord("-")
LONGEST_DEADLINE_US = 3_600_000_000
_ZERO_TRACE, _ZERO_SPAN = b"0" * 32, b"0" * 16
_SAMPLED_FLAGS = frozenset(b"%02x" % flags for flags in range(256) if flags & 1)

TraceParent = tuple[bytes, bytes, bool]
"""The caller's position in its trace: trace id and span id as 32 and 16 hexadecimal digits, and whether it is
sampled.
"""


class SpanContext:
    """One span's place in its trace, and what W3C Trace Context makes travel with it.

    Args:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits; empty at a source, whose calls are the roots of their traces.
        parent_id: 16 hexadecimal digits; empty for a root.
        sampled: whether spans of this trace are exported.
        tracestate: the header's value as received, or None.
        baggage: the header's value as received, or None.
    """

    __slots__ = ("baggage", "parent_id", "sampled", "span_id", "trace_id", "tracestate")

    def __init__(
        self,
        trace_id: bytes,
        span_id: bytes,
        parent_id: bytes,
        sampled: bool,
        tracestate: bytes | None = None,
        baggage: bytes | None = None,
    ) -> None:
        self.trace_id, self.span_id, self.parent_id, self.sampled = trace_id, span_id, parent_id, sampled
        self.tracestate, self.baggage = tracestate, baggage

    def child(self, span_id: bytes) -> SpanContext:
        """Return the context of a span whose parent is this one."""
        return SpanContext(self.trace_id, span_id, self.span_id, self.sampled, self.tracestate, self.baggage)

    def headers(self) -> bytes:
        r"""Return the header lines that carry this context to another process.

        >>> SpanContext(b"a" * 32, b"b" * 16, b"", True).headers()[-22:]
        b'-bbbbbbbbbbbbbbbb-01\r\n'
        """
        flags = b"01" if self.sampled else b"00"
        lines = b"traceparent: 00-%b-%b-%b\r\n" % (self.trace_id, self.span_id, flags)
        if self.tracestate:
            lines += b"tracestate: %b\r\n" % self.tracestate
        return lines + b"baggage: %b\r\n" % self.baggage if self.baggage else lines


def parse_traceparent(value: bytes | None) -> TraceParent | None:
    """Return the content of a `traceparent` header; None if it is absent or malformed.

    >>> parse_traceparent(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")[1:]
    (b'b7ad6b7169203331', True)
    >>> parse_traceparent(b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") is None
    True
    """
    if value is None:
        return None
    if value[:3] == _VERSION_00:
        others = value.translate(None, _HEX_DIGITS)
        if len(value) != _BYTES_OF_VERSION_00 or others != b"---" or not value[35] == value[52] == _DASH:
            return None
        trace_id, span_id, flags = value[3:35], value[36:52], value[53:]
    else:
        found = _TRACEPARENT(value)
        if found is None or value[:2] == b"ff":
            return None
        _, trace_id, span_id, flags, _ = found.groups()
    if trace_id == _ZERO_TRACE or span_id == _ZERO_SPAN:
        return None
    return trace_id, span_id, flags in _SAMPLED_FLAGS


def parse_deadline_us(value: bytes | None, default_ms: int) -> int:
    """Return the time left for a request in microseconds.

    Args:
        value: the header, in whole or decimal milliseconds; a value that is not a number from 0 to one hour
            counts as absent.
        default_ms: the time left without the header, milliseconds.

    >>> parse_deadline_us(b"1500", 2000), parse_deadline_us(b"0.25", 2000), parse_deadline_us(b"soon", 2000)
    (1500000, 250, 2000000)
    """
    if value is None or len(value) > 12:
        return default_ms * 1000
    if value.isdigit():
        left_us = int(value) * 1000
    elif value.replace(b".", b"", 1).isdigit():
        left_us = int(float(value) * 1000)
    else:
        return default_ms * 1000
    return left_us if left_us <= LONGEST_DEADLINE_US else default_ms * 1000


def render_deadline(left_us: int) -> bytes:
    """Return the deadline header's value: milliseconds, with microseconds as decimals.

    >>> render_deadline(1_499_250), render_deadline(2_000_000)
    (b'1499.250', b'2000')
    """
    whole, rest = divmod(max(0, left_us), 1000)
    return b"%d.%03d" % (whole, rest) if rest else b"%d" % whole


def parse_written_us(value: bytes | None) -> int:
    """Return the time of a write, microseconds since 1970.

    It is 0 if the header is absent or is not a number of at most 17 digits.

    >>> parse_written_us(b"1763992800000000"), parse_written_us(b"-1"), parse_written_us(None)
    (1763992800000000, 0, 0)
    """
    return int(value) if value is not None and len(value) <= 17 and value.isdigit() else 0

"""Pure: what the reply of an OTLP/HTTP collector says about the spans that were sent.

Sources: opentelemetry.io/docs/specs/otlp, "OTLP/HTTP Response"; trace_service.proto;
RFC 9110, section 10.2.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRYABLE = frozenset({429, 502, 503, 504})
# Statuses whose Retry-After is the collector's.
THROTTLING = frozenset({429, 503})
UNSUPPORTED_MEDIA_TYPE = 415
LONGEST_RETRY_AFTER_S = 60.0
LONGEST_MESSAGE = 120  # characters of a collector's text


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a batch.

    Attributes:
        again: the batch must be sent again later.
        lost: how many of its spans the collector rejected for good.
        error: why, for readers; empty if all spans were taken.
        retry_after_s: how long the collector asks to wait; None if it does not.
    """

    again: bool = False
    lost: int = 0
    error: str = ""
    retry_after_s: float | None = None


def judge(
    status: int, body: bytes, retry_after: bytes | None, spans: int, now: datetime, gzip: bool = False
) -> Verdict:
    """Return what a reply says about a batch.

    Args:
        status: of the reply.
        body: an ExportTraceServiceResponse, or nothing.
        retry_after: the header's value.
        spans: the size of the batch.
        now: the time, for a Retry-After that is a date.
        gzip: whether the batch was compressed.
    """
    if status in RETRYABLE:
        wait_s = parse_retry_after(retry_after, now) if status in THROTTLING else None
        return Verdict(again=True, error=f"status {status}", retry_after_s=wait_s)
    if status == UNSUPPORTED_MEDIA_TYPE and gzip:
        # The next batches can be taken once `compression` is changed: these spans are lost.
        return Verdict(lost=spans, error=f"status {status}: it does not take gzip; use compression: None")
    if not 200 <= status < 300:
        return Verdict(lost=spans, error=f"status {status}")
    rejected, message = parse_partial_success(body)
    lost = min(spans, rejected)
    if not lost:
        return Verdict()
    text = f": {message[:LONGEST_MESSAGE]!r}" if message else ""
    return Verdict(lost=lost, error=f"rejects spans{text}")


def parse_retry_after(value: bytes | None, now: datetime) -> float | None:
    """Return the seconds of a Retry-After header, at most `LONGEST_RETRY_AFTER_S`; None without a valid one.

    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> parse_retry_after(b"7", now), parse_retry_after(b"Thu, 01 Jan 2026 00:00:09 GMT", now)
    (7.0, 9.0)
    >>> parse_retry_after(b"99999999999999999999", now), parse_retry_after(b"soon", now)
    (60.0, None)
    """
    text = (value or b"").decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        # Longer numbers need not be converted to know that they are above the bound.
        return min(LONGEST_RETRY_AFTER_S, float(text[:9])) if len(text) <= 9 else LONGEST_RETRY_AFTER_S
    try:
        at = parsedate_to_datetime(text)
        wait_s = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    except (ValueError, OverflowError):
        return None
    return min(LONGEST_RETRY_AFTER_S, max(0.0, wait_s))


def parse_partial_success(body: bytes) -> tuple[int, str]:
    """Return `rejected_spans` and `error_message` of an ExportTraceServiceResponse.

    A body that is not a valid message counts as one without a partial success: the status said that the spans
    were taken.

    >>> parse_partial_success(bytes.fromhex("0a0708031203626164"))
    (3, 'bad')
    """
    try:
        rejected, message = 0, b""
        for number, value in _fields(body):
            if number == 1 and isinstance(value, bytes):
                for inner, field in _fields(value):
                    if inner == 1 and isinstance(field, int):
                        # An int64; a negative number has its highest bit set.
                        rejected = field if field < 1 << 63 else 0
                    elif inner == 2 and isinstance(field, bytes):
                        message = field
    except (IndexError, ValueError):
        return 0, ""
    return rejected, message.decode("utf-8", "replace")


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Return number and value of the varints and byte strings of a message; fixed-width fields are skipped.

    Raises:
        IndexError, ValueError: the message is cut short, or has a wire type that is not in use.
    """
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            found.append((key >> 3, value))
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + length > len(data):
            raise IndexError(at)
        if kind == 2:
            found.append((key >> 3, data[at : at + length]))
        at += length
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise ValueError("a varint has more than 10 bytes")

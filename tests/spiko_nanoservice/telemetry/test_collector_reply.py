"""What a collector's reply says about a batch of spans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spiko_nanoservice.telemetry.collector_reply import (
    LONGEST_RETRY_AFTER_S,
    Verdict,
    judge,
    parse_partial_success,
    parse_retry_after,
)

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def partial(rejected: int, message: str) -> bytes:
    """Return the body of a partial success, as the SDK encodes it."""
    reply = ExportTraceServiceResponse()
    reply.partial_success.rejected_spans = rejected
    reply.partial_success.error_message = message
    return reply.SerializeToString()


@pytest.mark.parametrize("status", [200, 202, 204])
def test_every_success_counts_as_taken(status: int) -> None:
    """Given 200, 202 or 204, then all spans were taken."""
    assert judge(status, b"", None, 512, NOW) == Verdict()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, Verdict(again=True, error="status 429", retry_after_s=7.0)),
        (503, Verdict(again=True, error="status 503", retry_after_s=7.0)),
        (502, Verdict(again=True, error="status 502")),
        (504, Verdict(again=True, error="status 504")),
        (301, Verdict(lost=512, error="status 301")),
        (400, Verdict(lost=512, error="status 400")),
        (404, Verdict(lost=512, error="status 404")),
        (500, Verdict(lost=512, error="status 500")),
    ],
)
def test_only_retryable_statuses_keep_the_batch(status: int, expected: Verdict) -> None:
    """Given another status, then the batch is sent again or lost as the OTLP specification says."""
    assert judge(status, b"", b"7", 512, NOW) == expected


def test_415_names_gzip_only_if_the_batch_was_compressed() -> None:
    """Given 415, then the batch is lost, and the error has the remedy if the batch was compressed."""
    remedy = "status 415: it does not take gzip; use compression: None"

    assert judge(415, b"", None, 512, NOW, gzip=True) == Verdict(lost=512, error=remedy)
    assert judge(415, b"", None, 512, NOW) == Verdict(lost=512, error="status 415")
    assert judge(400, b"", None, 512, NOW, gzip=True) == Verdict(lost=512, error="status 400")


def test_rejected_spans_of_a_partial_success_are_lost() -> None:
    """Given a partial success, then its count is lost, at most the batch, with the collector's words."""
    assert judge(200, partial(3, "too old\n"), None, 512, NOW) == Verdict(
        lost=3, error=r"rejects spans: 'too old\n'"
    )
    assert judge(200, partial(10_000, ""), None, 512, NOW) == Verdict(lost=512, error="rejects spans")
    assert judge(200, partial(0, "only a warning"), None, 512, NOW) == Verdict()
    assert len(judge(200, partial(1, "x" * 100_000), None, 512, NOW).error) < 200


@pytest.mark.long
@given(st.integers(0, 2**63 - 1), st.text(max_size=50))
def test_a_partial_success_is_read_as_the_sdk_writes_it(rejected: int, message: str) -> None:
    """Given any partial success, then count and message are those that were encoded."""
    assert parse_partial_success(partial(rejected, message)) == (rejected, message)


@given(st.binary(max_size=100))
def test_any_body_can_be_read(body: bytes) -> None:
    """Given any bytes, then reading raises nothing and the count is not negative."""
    assert parse_partial_success(body)[0] >= 0
    assert parse_partial_success(partial(-5, "x"))[0] == 0


@given(st.binary(max_size=40) | st.integers(-10, 10**30).map(lambda n: b"%d" % n))
def test_a_retry_after_is_bounded(value: bytes) -> None:
    """Given any header, then the wait is None or from 0 to 60 s."""
    found = parse_retry_after(value, NOW)

    assert found is None or 0.0 <= found <= LONGEST_RETRY_AFTER_S


def test_a_retry_after_is_seconds_or_a_date() -> None:
    """Given seconds, a date in the future, in the past, far away or in no format, then each has its wait."""
    values = [b"0", b"12", b"3600"]
    dates = [NOW + timedelta(seconds=seconds) for seconds in (9, -9, 86_400)]
    values += [at.strftime("%a, %d %b %Y %H:%M:%S GMT").encode() for at in dates]
    values += [b"soon", b"", b"-1", b"1.5"]

    assert [parse_retry_after(value, NOW) for value in values] == [
        0,
        12,
        60,
        9,
        0,
        60,
        None,
        None,
        None,
        None,
    ]
    assert parse_retry_after(None, NOW) is None

"""The trace receivers of other tests: a span sent to them can be read back."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.collectors import collector, jaeger
from tests.support.control_plane.build import binaries

pytestmark = [pytest.mark.e2e, pytest.mark.real]  # the Collector and Jaeger are built with Go
TRACE = "0af7651916cd43dd8448eb211c80319c"


def send_span(endpoint: str) -> None:
    """Send one span of the service `shop` by OTLP/HTTP in JSON."""
    now = time.time_ns()
    attributes = [{"key": "service.name", "value": {"stringValue": "shop"}}]
    span = {
        "traceId": TRACE,
        "spanId": "b7ad6b7169203331",
        "name": "GET",
        "kind": 2,
        "startTimeUnixNano": str(now - 1000),
        "endTimeUnixNano": str(now),
    }
    body = {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [span]}]}]}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{endpoint}/v1/traces", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=5) as reply:
        assert reply.status == 200


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition; at most 10 s."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_span_to_the_collector_can_be_read_back(tmp_path: Path) -> None:
    """Given a Collector, when a span is sent, then it can be read with the attributes of its resource."""
    with collector(tmp_path) as running:
        send_span(running.endpoint)
        until(running.spans)
        (span,) = running.spans()

    assert span["traceId"] == TRACE
    assert span["resource"] == {"service.name": "shop"}


@pytest.mark.skipif(
    not (binaries() / "jaeger").exists(),
    reason="built on request: python tests/support/control_plane/build.py jaeger",
)
def test_a_span_to_jaeger_can_be_read_back(tmp_path: Path) -> None:
    """Given Jaeger, when a span is sent, then it is found by service and by id."""
    with jaeger(tmp_path) as running:
        send_span(running.endpoint)
        until(lambda: running.trace(TRACE))

        assert running.services() == ["shop"]
        assert [trace["traceID"] for trace in running.traces("shop")] == [TRACE]

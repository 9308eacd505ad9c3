"""A source is an open loop: its times begin when requests are due, and no due request is lost."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spiko_nanoservice.telemetry.histograms import add_encoded, new_histogram
from spiko_nanoservice.tier.due_times import SECOND_NS, DueTimes
from spiko_nanoservice.tier.pod import TierPod
from tests.support.loopback_cluster import LoopbackCluster, configuration, loopback_cluster, tier, until

RATE = 200


@asynccontextmanager
async def sending(**more: Any) -> AsyncIterator[tuple[LoopbackCluster, TierPod]]:
    """Yield a source that sends `RATE` requests per second to one store."""
    async with loopback_cluster() as t:
        tiers = (tier("www", "denominator", "db", rate=RATE), tier("db", "store"))
        await t.add_eureka("a", configuration(*tiers, started=True, **more))
        await t.add("db-0", "db", "store")
        www = await t.add("www-0", "www", "denominator")
        await until(lambda: counted(www)[0] > 0)
        yield t, www


def counted(www: TierPod) -> tuple[int, int]:
    """Return how many requests were answered and how many were not sent."""
    served, edges = www.tier.counters.read()
    return sum(edge.ok + edge.miss + sum(edge.errors.values()) for edge in edges.values()), served.not_sent


def totals(t: LoopbackCluster) -> tuple[HdrHistogram, int]:
    """Return the response times of the source and its requests that were not sent, from the eureka."""
    found = t.eurekas["a"].eureka.totals.totals()
    histogram = new_histogram()
    for edge in found["edges"]:
        add_encoded(histogram, edge["response"])
    return histogram, sum(entry.get("not_sent", 0) for entry in found["served"] if entry["at"][0] == "www")


@pytest.mark.parametrize(
    ("stopped_s", "lost_s"), [(0.5, 0.0), pytest.param(4.0, 3.0, marks=pytest.mark.long)]
)
async def test_a_stop_is_in_the_response_times_or_in_not_sent(stopped_s: float, lost_s: float) -> None:
    """Given a source at 200 requests/s, when its event loop stops, then the due requests of at most one
    second are sent late and counted with their wait, the others are counted as not sent, and the eureka
    gets both.
    """
    async with sending() as (t, www):
        await until(lambda: counted(www)[0] >= RATE / 4)
        before = sum(counted(www))
        began = time.perf_counter()
        time.sleep(stopped_s)  # noqa: ASYNC251  # stops the event loop, as SIGSTOP stops the process
        await until(lambda: sum(counted(www)) >= before + RATE * stopped_s)
        took_s = time.perf_counter() - began
        await t.stop("www-0")
        due = RATE * took_s
        answered, not_sent = counted(www)
        page = www.tier.metrics().decode()
        await until(lambda: totals(t)[0].get_total_count() == answered)
        histogram, reported = totals(t)

    assert due - 5 <= answered + not_sent - before <= RATE * (time.perf_counter() - began) + 5
    assert lost_s * RATE - 5 <= not_sent <= RATE * (took_s - 1.0) + 5 if lost_s else not_sent == 0
    assert reported == not_sent
    assert f"}} {not_sent}\n" in page.partition("\nspiko_not_sent_requests_total{")[2]
    # The requests before the stop and the last ones after it did not wait; the others waited up to the time
    # of the stop, at most a second.
    longest_s = min(stopped_s, 1.0)
    assert 750_000 * longest_s <= histogram.get_value_at_percentile(99) <= 1_000_000 * max(1.0, took_s)
    assert 300_000 * longest_s <= histogram.get_value_at_percentile(50)


async def test_root_spans_begin_when_their_requests_were_due() -> None:
    """Given a source whose collector is down, when its event loop stops for 0.5 s, then the root spans of the
    requests that were due meanwhile begin evenly over the stop, not after it.
    """
    async with sending(otlp_endpoint="http://127.0.0.1:1") as (_, www):
        before = sum(counted(www))
        began_ns = time.time_ns()
        time.sleep(0.5)  # noqa: ASYNC251
        ended_ns = time.time_ns()
        await until(lambda: sum(counted(www)) >= before + RATE * 0.5 + 5)
        request = ExportTraceServiceRequest()
        request.ParseFromString(www.exporter._envelope.wrap(www.exporter._queue))

    spans = request.resource_spans[0].scope_spans[0].spans
    starts = [span.start_time_unix_nano for span in spans if not span.parent_span_id]
    during = [at for at in starts if began_ns <= at <= ended_ns]
    assert abs(len(during) - RATE * (ended_ns - began_ns) / 1e9) <= 3
    assert all(abs(b - a - 1e9 / RATE) < 2e6 for a, b in itertools.pairwise(sorted(during)))


@given(
    st.integers(1, 100_000),
    st.lists(st.integers(0, 5 * SECOND_NS), max_size=20),
    st.integers(0, 2 * SECOND_NS),
)
def test_every_due_request_is_taken_once(rate: int, steps: list[int], lag_ns: int) -> None:
    """Given any times at which a source looks, then it gets each request once, at its due time, and those
    that are due for longer than the lag are counted.
    """
    due, now_ns, total, last_ns = DueTimes(rate, 7), 7, 0, -1
    for step_ns in steps:
        now_ns += min(step_ns, 2_000 * SECOND_NS // rate)
        too_late, times = due.take(now_ns, lag_ns)
        total += too_late + len(times)
        assert all(last_ns < at <= now_ns for at in times)
        assert all(at >= now_ns - lag_ns for at in times)
        assert times == sorted(set(times))
        last_ns = times[-1] if times else last_ns
        assert due.next_ns > now_ns
    if steps:
        assert total == (now_ns - 7) * rate // SECOND_NS + 1

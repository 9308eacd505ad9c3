"""The store keeps the slowest, the failed and the last traces in bounded memory."""

from __future__ import annotations

from dataclasses import replace

from spiko_console.spans import CLIENT, SERVER, Span, size_bytes
from spiko_console.store import SETTLE_S, Limits, TraceStore
from tests.support.traces import make_call, make_span


def test_a_trace_is_closed_when_no_span_has_come_for_a_while() -> None:
    """Given a first span, when the others come just before the trace is closed, then it has all of them."""
    store = TraceStore()
    first, *rest = make_call("t", 10)
    store.add([first], now=0.0)
    store.settle(now=SETTLE_S - 0.1)
    early = store.traces
    store.add(rest, now=SETTLE_S - 0.1)
    store.settle(now=2 * SETTLE_S)

    assert (0, 1, 4) == (early, store.traces, len(store.slowest()[0].spans))


def test_the_slowest_traces_are_kept() -> None:
    """Given a thousand traces, then the three slowest are kept in order; failed ones have their own list."""
    store = TraceStore(Limits(slowest=3, failed=2, recent=4))
    for number in range(1_000):
        store.add(make_call(f"{number}", took_ms=(number * 7919) % 1_000 + 1), now=float(number))
    for number in range(3):
        store.add(make_call(f"failed {number}", 5_000, error="refused"), now=2_000.0 + number)
    store.close()

    assert [1000, 999, 998] == [round(trace.took_ns / 1e6) for trace in store.slowest()]
    assert ["failed 1", "failed 2"] == [trace.trace_id for trace in store.failed()]
    assert (1_003, 3, 4) == (store.traces, store.failures, len(store.recent()))


def test_open_spans_are_bounded() -> None:
    """Given more open spans than allowed, then the oldest traces are closed early."""
    store = TraceStore(Limits(open_spans=100))
    for number in range(200):
        store.add(make_call(f"{number}", 1), now=0.0)

    assert 175 == store.traces


def test_a_span_sent_twice_counts_once() -> None:
    """Given a batch that an exporter sends twice, then its trace has each span once."""
    store = TraceStore()
    store.add(make_call("t", 1) * 2, now=0.0)
    store.close()

    assert 4 == len(store.recent()[0].spans)


def make_addressed_call(trace: str, *lost: str) -> list[Span]:
    """Return www -> web -> db with addresses, without the spans that the pods of some tiers had not sent."""
    spans = []
    for span in make_call(trace, 10):
        callee = span.service if span.kind == SERVER else span.attributes["service.peer.name"]
        attributes = {"server.address": f"address of {callee}", "http.response.status_code": 200}
        attributes |= span.attributes
        resource = {**span.resource, "k8s.pod.uid": f"uid of {span.service}"}
        spans.append(replace(span, attributes=attributes, resource=resource))
    return [span for span in spans if span.service not in lost]


def test_spans_that_killed_pods_have_not_sent_are_counted_apart() -> None:
    """Given a whole trace and three that lack the spans of one tier, when pods were killed, then the traces
    that lack nothing but their spans are explained; a lost root never is.
    """
    store = TraceStore()
    for trace, lost in (("a", ()), ("b", ("web",)), ("c", ("db",)), ("d", ("www",))):
        store.add(make_addressed_call(trace, *lost), now=0.0)
    store.close()

    assert (0, 3) == store.lacking({})
    assert (1, 2) == store.lacking({"uid of web": "", "uid of unknown": ""})
    assert (2, 1) == store.lacking(
        {"uid of web": "", "silent from the start": "address of db", "uid of www": ""}
    )


def test_a_lost_span_makes_its_trace_incomplete() -> None:
    """Given a trace that lacks the span of a killed pod, then it counts as incomplete."""
    store = TraceStore()
    spans = make_call("t", 10)
    store.add([spans[0], spans[3]], now=0.0)
    store.close()

    assert (1, "1") == (sum(store.lacking({})), store.recent()[0].root.span_id)


def test_a_request_that_ran_into_its_deadline_is_one_trace() -> None:
    """Given callees' spans at once and the root 2.5 s later, then they are one trace."""
    store = TraceStore()
    root, *rest = make_call("t", 2_000)
    store.add(rest, now=0.0)
    store.settle(now=2.4)
    store.add([root], now=2.5)
    store.close()

    assert (1, 0, 4) == (store.traces, sum(store.lacking({})), len(store.slowest()[0].spans))


def test_a_late_span_does_not_open_a_second_trace() -> None:
    """Given a span of a closed trace, then it is counted and dropped; a forgotten id opens a new trace."""
    store = TraceStore(Limits(closed=2))
    first, *rest = make_call("t", 10)
    store.add(rest, now=0.0)
    store.settle(now=SETTLE_S + 1)
    store.add([first], now=SETTLE_S + 1)
    one = (store.traces, store.late, store.spans)
    for number in range(3):
        store.add(make_call(f"{number}", 1), now=100.0 * number)
    store.add([first], now=1_000.0)
    store.close()

    assert (1, 1, 4) == one
    assert (5, 1) == (store.traces, store.late)


def test_bytes_of_open_and_kept_traces_are_bounded() -> None:
    """Given few spans with large attributes, then open traces are closed early and kept ones are thinned."""
    large = [replace(span, attributes={"a": ["x" * 1_000] * 100}) for span in make_call("t", 1)]
    store = TraceStore(Limits(open_bytes=1_000_000, trace_bytes=250_000))
    for number in range(20):
        store.add([replace(span, trace_id=f"{number}") for span in large], now=0.0)
    kept = store.recent()

    assert 18 == store.traces
    assert (2, 2) == (len(kept[0].spans), kept[0].left_out)
    assert max(sum(map(size_bytes, trace.spans)) for trace in kept) <= 250_000
    assert (0, 0) == store.lacking({})


def test_spans_that_are_their_own_parents_are_stored() -> None:
    """Given spans that are their own parents, and the same trace again and again, then all are counted."""
    store = TraceStore(Limits(slowest=2, closed=0))
    for _ in range(3):
        store.add([make_span("t/1/1", "a", CLIENT, (0, 1)), make_span("t/2/2", "a", SERVER, (0, 1))], now=0.0)
        store.close()

    assert (3, 3, 2) == (store.traces, sum(store.lacking({})), len(store.slowest()))

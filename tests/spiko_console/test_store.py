"""Which traces are kept: the slowest, the failed, the last; in bounded memory."""

from __future__ import annotations

from dataclasses import replace

from spiko_console.spans import CLIENT, SERVER, size_bytes
from spiko_console.store import SETTLE_S, Limits, TraceStore
from tests.support.traces import make_call, make_span


def test_a_trace_is_judged_when_it_has_been_quiet_for_a_while() -> None:
    """Spans come from each pod by itself: a trace that looks whole may still grow."""
    store = TraceStore()
    first, *rest = make_call("t", 10)
    store.add([first], now=0.0)
    store.settle(now=SETTLE_S - 0.1)
    early = store.traces
    store.add(rest, now=SETTLE_S - 0.1)
    store.settle(now=2 * SETTLE_S)

    assert (0, 1, 4) == (early, store.traces, len(store.slowest()[0].spans))


def test_the_slowest_are_kept_whatever_comes_after() -> None:
    """Of a thousand the three slowest, slowest first; an error has its own list."""
    store = TraceStore(Limits(slowest=3, failed=2, recent=4))
    for number in range(1_000):
        store.add(make_call(f"{number}", took_ms=(number * 7919) % 1_000 + 1), now=float(number))
    for number in range(3):
        store.add(make_call(f"failed {number}", 5_000, error="refused"), now=2_000.0 + number)
    store.close()

    assert [1000, 999, 998] == [round(trace.took_ns / 1e6) for trace in store.slowest()]
    assert ["failed 1", "failed 2"] == [trace.trace_id for trace in store.failed()]
    assert (1_003, 3, 4) == (store.traces, store.failures, len(store.recent()))


def test_spans_that_wait_are_bounded() -> None:
    """A flood of spans whose traces never end does not eat the memory: the oldest are judged early."""
    store = TraceStore(Limits(open_spans=100))
    for number in range(200):
        store.add(make_call(f"{number}", 1), now=0.0)

    assert 175 == store.traces


def test_a_span_twice_is_one() -> None:
    """An exporter may send a batch again."""
    store = TraceStore()
    store.add(make_call("t", 1) * 2, now=0.0)
    store.close()

    assert 4 == len(store.recent()[0].spans)


def test_a_lost_span_is_noticed() -> None:
    """A pod that was killed takes its last spans along; its callee's have a parent that nobody knows."""
    store = TraceStore()
    spans = make_call("t", 10)
    store.add([spans[0], spans[3]], now=0.0)
    store.close()

    assert (1, "1") == (store.broken, store.recent()[0].root.span_id)


def test_a_request_that_ran_into_its_deadline_is_one_trace() -> None:
    """Its callees' spans are sent at once, its root 2.5 s later."""
    store = TraceStore()
    root, *rest = make_call("t", 2_000)
    store.add(rest, now=0.0)
    store.settle(now=2.4)
    store.add([root], now=2.5)
    store.close()

    assert (1, 0, 4) == (store.traces, store.broken, len(store.slowest()[0].spans))


def test_a_span_that_is_late_makes_no_second_trace() -> None:
    """It counts, and is dropped; ids are remembered for a while, not for ever."""
    store = TraceStore(Limits(judged=2))
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


def test_attributes_that_wait_are_bounded_and_so_are_those_that_are_kept() -> None:
    """Few spans may be gigabytes as well."""
    large = [replace(span, attributes={"a": ["x" * 1_000] * 100}) for span in make_call("t", 1)]
    store = TraceStore(Limits(open_bytes=1_000_000, trace_bytes=250_000))
    for number in range(20):
        store.add([replace(span, trace_id=f"{number}") for span in large], now=0.0)
    kept = store.recent()

    assert 18 == store.traces
    assert (2, 2) == (len(kept[0].spans), kept[0].left_out)
    assert max(sum(map(size_bytes, trace.spans)) for trace in kept) <= 250_000
    assert 0 == store.broken


def test_hostile_spans_cost_no_report() -> None:
    """Their own parents, and the same trace again and again in one moment."""
    store = TraceStore(Limits(slowest=2, judged=0))
    for _ in range(3):
        store.add([make_span("t", "1", "1", "a", CLIENT, 0, 1), make_span("t", "2", "2", "a", SERVER, 0, 1)], now=0.0)
        store.close()

    assert (3, 3, 2) == (store.traces, store.broken, len(store.slowest()))

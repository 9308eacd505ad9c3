"""Which traces are kept: the slowest, the failed, the last; in bounded memory."""

from __future__ import annotations

from made import make_call

from spiko_console.store import SETTLE_S, Limits, TraceStore


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

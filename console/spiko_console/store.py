"""Pure: which traces are kept. All of them would be gigabytes; the slowest and the failed ones are what one looks at.

Spans of a trace come in several requests, one from each pod, so a trace is judged when nothing of it has come for a while. Memory is
bounded: of open traces the oldest are judged early when there are too many spans.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from spiko_console.spans import Span, Trace, make_trace

SETTLE_S = 2.0  # pods send every half second, and once more when they end


@dataclass(frozen=True)
class Limits:
    """How many traces are kept of each sort, and how many spans wait for the rest of their trace."""

    slowest: int = 20
    failed: int = 50
    recent: int = 100
    open_spans: int = 200_000


class TraceStore:
    """Spans in; the slowest, the failed and the recent traces out.

    Args:
        limits: how much is kept.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._open: OrderedDict[str, tuple[float, list[Span]]] = OrderedDict()  # by the time of the last span
        self._open_spans = 0
        self._slowest: list[tuple[int, str, Trace]] = []  # a heap: the fastest of them first
        self._failed: deque[Trace] = deque(maxlen=self._limits.failed)
        self._recent: deque[Trace] = deque(maxlen=self._limits.recent)
        self.spans = 0
        self.traces = 0
        self.failures = 0
        self.broken = 0  # traces that lack a span

    def add(self, spans: Iterable[Span], now: float) -> None:
        """Take spans.

        Args:
            spans: of any traces.
            now: monotonic seconds.
        """
        for span in spans:
            _, known = self._open.pop(span.trace_id, (now, []))
            known.append(span)
            self._open[span.trace_id] = (now, known)
            self.spans += 1
            self._open_spans += 1
        self.settle(now)

    def settle(self, now: float) -> None:
        """Judge what is complete by now."""
        while self._open:
            last, _ = next(iter(self._open.values()))
            if last > now - SETTLE_S and self._open_spans <= self._limits.open_spans:
                return
            self._judge()

    def close(self) -> None:
        """Judge everything: nothing more will come."""
        while self._open:
            self._judge()

    def slowest(self) -> list[Trace]:
        """The slowest traces without an error, slowest first."""
        return [trace for _, _, trace in sorted(self._slowest, reverse=True)]

    def failed(self) -> list[Trace]:
        """The last failed traces, oldest first."""
        return list(self._failed)

    def recent(self) -> list[Trace]:
        """The last traces of any sort, oldest first."""
        return list(self._recent)

    def _judge(self) -> None:
        _, (_, spans) = self._open.popitem(last=False)
        self._open_spans -= len(spans)
        trace = make_trace(spans)
        self.traces += 1
        self.broken += not trace.whole
        self._recent.append(trace)
        if trace.failed:
            self.failures += 1
            self._failed.append(trace)
            return
        entry = (trace.took_ns, trace.trace_id, trace)
        if len(self._slowest) < self._limits.slowest:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heappushpop(self._slowest, entry)

"""Pure: which traces are kept. All of them would be gigabytes; the slowest and the failed ones are what one looks at.

Spans of a trace come in several requests, one from each pod, so a trace is judged when nothing of it has come for a while. A span that comes
after that counts as late and is dropped: it makes no second trace.

Memory is bounded, whatever is sent: of open traces the oldest are judged early when their spans are too many or take too many bytes, and of a
very large trace the earliest spans are kept.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from spiko_console.spans import Span, Trace, make_trace, size_bytes, thin

# A span is sent when it has ended, by the half second: of a request that runs into its deadline of 2 s the callees' come first, and
# the root 2.5 s after them.
SETTLE_S = 5.0


@dataclass(frozen=True)
class Limits:
    """How many traces are kept of each sort, how large each may be, how many spans wait for the rest of their trace, and how many ids are remembered."""

    slowest: int = 20
    failed: int = 50
    recent: int = 100
    trace_bytes: int = 1 << 20
    open_spans: int = 200_000
    open_bytes: int = 256 << 20
    judged: int = 50_000


@dataclass(slots=True)
class _Open:
    """A trace that may still grow. `last` is when its last span came, in monotonic seconds."""

    last: float
    bytes: int = 0
    spans: list[Span] = field(default_factory=list)


class TraceStore:
    """Spans in; the slowest, the failed and the recent traces out.

    Args:
        limits: how much is kept.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._open: OrderedDict[str, _Open] = OrderedDict()  # by the time of the last span
        self._open_spans = self._open_bytes = 0
        self._judged: OrderedDict[str, None] = OrderedDict()  # ids, the oldest first
        self._slowest: list[tuple[int, int, Trace]] = []  # a heap: the fastest of them first, by ns and number
        self._failed: deque[Trace] = deque(maxlen=self._limits.failed)
        self._recent: deque[Trace] = deque(maxlen=self._limits.recent)
        self.spans = 0
        self.traces = 0
        self.failures = 0
        self.broken = 0  # traces that lack a span
        self.late = 0  # spans that came after their trace was judged

    def add(self, spans: Iterable[Span], now: float) -> None:
        """Take spans.

        Args:
            spans: of any traces.
            now: monotonic seconds.
        """
        for span in spans:
            self.spans += 1
            if span.trace_id in self._judged:
                self.late += 1
                continue
            known = self._open.pop(span.trace_id, None) or _Open(now)
            size = size_bytes(span)
            known.last, known.bytes = now, known.bytes + size
            known.spans.append(span)
            self._open[span.trace_id] = known
            self._open_spans += 1
            self._open_bytes += size
        self.settle(now)

    def settle(self, now: float) -> None:
        """Judge what is complete by now."""
        while self._open:
            oldest = next(iter(self._open.values()))
            crowded = self._open_spans > self._limits.open_spans or self._open_bytes > self._limits.open_bytes
            if oldest.last > now - SETTLE_S and not crowded:
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
        id, known = self._open.popitem(last=False)
        self._judged[id] = None
        if len(self._judged) > self._limits.judged:
            self._judged.popitem(last=False)
        self._open_spans -= len(known.spans)
        self._open_bytes -= known.bytes
        whole = make_trace(known.spans)
        trace = thin(whole, self._limits.trace_bytes) if known.bytes > self._limits.trace_bytes else whole
        self.traces += 1
        self.broken += not whole.whole
        self._recent.append(trace)
        if whole.failed:
            self.failures += 1
            self._failed.append(trace)
            return
        entry = (trace.took_ns, self.traces, trace)
        if len(self._slowest) < self._limits.slowest:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heappushpop(self._slowest, entry)

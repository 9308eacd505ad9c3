"""Pure: keeps the slowest, the failed and the most recent traces; all of them would take gigabytes.

Spans of a trace come in several requests, one from each pod, so a trace is closed when no span of it has come
for a while. A span that comes after that counts as late and is dropped: it does not open a second trace.

Memory is bounded. The oldest open traces are closed early when there are too many open spans or bytes, and of
a very large trace only the earliest spans are kept.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spiko_console.spans import SERVER, Span, Trace, make_trace, size_bytes, thin

# Spans are sent every half second, once they have ended. If a request runs into its deadline of 2 s, the
# root's span comes 2.5 s after those of its callees.
SETTLE_S = 5.0


@dataclass(frozen=True)
class Limits:
    """Bounds of a store.

    Args:
        slowest: number of slowest traces.
        failed: number of failed traces.
        recent: number of most recent traces.
        trace_bytes: of one trace.
        open_spans: of all open traces.
        open_bytes: of all open traces.
        closed: number of ids of closed traces that are remembered.
        pods: number of pods, and of sets of callees without a span, that are remembered.
    """

    slowest: int = 20
    failed: int = 50
    recent: int = 100
    trace_bytes: int = 1 << 20
    open_spans: int = 200_000
    open_bytes: int = 256 << 20
    closed: int = 50_000
    pods: int = 10_000


@dataclass(slots=True)
class _Open:
    """An open trace. `last` is when its last span came, in monotonic seconds."""

    last: float
    bytes: int = 0
    spans: list[Span] = field(default_factory=list)


class TraceStore:
    """Collects spans to traces.

    Args:
        limits: how much is kept.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._open: OrderedDict[str, _Open] = OrderedDict()  # by the time of the last span
        self._open_spans = self._open_bytes = 0
        self._closed: OrderedDict[str, None] = OrderedDict()  # ids, oldest first
        # A heap: the fastest of them first, by ns and number.
        self._slowest: list[tuple[int, int, Trace]] = []
        self._failed: deque[Trace] = deque(maxlen=self._limits.failed)
        self._recent: deque[Trace] = deque(maxlen=self._limits.recent)
        self.spans = 0
        self.traces = 0
        self.failures = 0
        self._lacking: Counter[frozenset[str]] = Counter()  # traces that lack a span, by silent callees
        self._addresses: dict[str, str] = {}  # by UID of a pod
        self.late = 0  # spans that came after their trace was judged

    def add(self, spans: Iterable[Span], now: float) -> None:
        """Add spans.

        Args:
            spans: of any traces.
            now: monotonic seconds.
        """
        for span in spans:
            self.spans += 1
            if span.kind == SERVER and len(self._addresses) < self._limits.pods:
                self._addresses[span.pod_uid] = span.server
            if span.trace_id in self._closed:
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
        """Close the traces that have been quiet for 5 s, and the oldest ones while a limit is exceeded."""
        while self._open:
            oldest = next(iter(self._open.values()))
            crowded = self._open_spans > self._limits.open_spans or self._open_bytes > self._limits.open_bytes
            if oldest.last > now - SETTLE_S and not crowded:
                return
            self._close_oldest()

    def close(self) -> None:
        """Close all traces: no more spans will come."""
        while self._open:
            self._close_oldest()

    def lacking(self, killed: Mapping[str, str]) -> tuple[int, int]:
        """Return how many traces lack spans of killed pods, which had not sent them yet, and how many others.

        Args:
            killed: addresses of pods by UID, empty for one that only its spans tell. A trace is theirs if all
                of its callees without a span are among them.
        """
        addresses = {address or self._addresses.get(uid) for uid, address in killed.items()}
        explained = sum(n for silent, n in self._lacking.items() if silent and silent <= addresses)
        return explained, self._lacking.total() - explained

    def slowest(self) -> list[Trace]:
        """Return the slowest traces without an error, slowest first."""
        return [trace for _, _, trace in sorted(self._slowest, reverse=True)]

    def failed(self) -> list[Trace]:
        """Return the last failed traces, oldest first."""
        return list(self._failed)

    def recent(self) -> list[Trace]:
        """Return the last traces, failed or not, oldest first."""
        return list(self._recent)

    def _close_oldest(self) -> None:
        id, known = self._open.popitem(last=False)
        self._closed[id] = None
        if len(self._closed) > self._limits.closed:
            self._closed.popitem(last=False)
        self._open_spans -= len(known.spans)
        self._open_bytes -= known.bytes
        whole = make_trace(known.spans)
        trace = thin(whole, self._limits.trace_bytes) if known.bytes > self._limits.trace_bytes else whole
        self.traces += 1
        if not whole.complete:
            silent = whole.silent
            if silent not in self._lacking and len(self._lacking) >= self._limits.pods:
                silent = frozenset()
            self._lacking[silent] += 1
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

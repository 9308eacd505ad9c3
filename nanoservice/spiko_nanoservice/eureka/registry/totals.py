"""Pure: adds up the reports of pods per edge.

Followers get the sum of every second; the totals have everything since the start of this eureka.

An edge is (caller tier, version, region, zone) -> (callee tier, version, region, zone). Each has counts of
outcomes, of which `writes` is a part of `ok`, and three latencies in microseconds: response as the caller
measured it, service as the callee reported it, and network, the difference. A source has an entry of its own
under `served` with `not_sent`: the requests that were due and could not be sent in time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from spiko_nanoservice.contract import LONGEST_REASON
from spiko_nanoservice.messages import SECOND, Message
from spiko_nanoservice.telemetry.latencies import Counts, add_counts, decode_counts, encode_counts
from spiko_nanoservice.telemetry.totals import MOST_REASONS, OTHER

LATENCIES = ("response", "service", "network")
Ends = tuple[tuple[str, ...], tuple[str, ...]]
# Edges and places that are counted apart: pods choose the names, so their number needs a limit.
MOST_EDGES = 32_768
OTHER_PLACE = (OTHER,) * 4
OTHER_ENDS = OTHER_PLACE, OTHER_PLACE


@dataclass(slots=True)
class Sum:
    """Counts, and encoded histograms that are not merged yet."""

    ok: int = 0
    miss: int = 0
    not_sent: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    encoded: dict[str, list[str]] = field(default_factory=dict)
    writes: int = 0

    def add(self, report: dict[str, Any]) -> None:
        """Add one pod's report of one second."""
        self.ok += int(report["ok"])
        self.miss += int(report["miss"])
        self.not_sent += int(report.get("not_sent", 0))
        for reason, count in report["errors"].items():
            self._count(str(reason)[:LONGEST_REASON], int(count))
        self.writes += int(report.get("writes", 0))
        for latency in LATENCIES:
            if text := report.get(latency):
                self.encoded.setdefault(latency, []).append(str(text))

    def _count(self, reason: str, count: int) -> None:
        kept = reason if reason in self.errors or len(self.errors) < MOST_REASONS else OTHER
        self.errors[kept] += count

    def merge(self, second: Sum) -> None:
        """Add a second's counts."""
        self.ok += second.ok
        self.miss += second.miss
        self.not_sent += second.not_sent
        for reason, count in second.errors.items():
            self._count(reason, count)
        self.writes += second.writes

    def counts(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        found = {"ok": self.ok, "writes": self.writes, "miss": self.miss, "errors": dict(self.errors)}
        return found | {"not_sent": self.not_sent} if self.not_sent else found


@dataclass(slots=True)
class Total:
    """Everything since the start of this eureka."""

    sum: Sum = field(default_factory=Sum)
    counts: dict[str, Counts] = field(default_factory=dict)

    def fold(self, second: Sum, windows: dict[str, Counts]) -> None:
        """Add one second."""
        self.sum.merge(second)
        for latency, window in windows.items():
            add_counts(self.counts.setdefault(latency, {}), window)

    def rendered(self) -> dict[str, Any]:
        """Return counts and encoded histograms as JSON values."""
        return self.sum.counts() | {name: encode_counts(counts) for name, counts in self.counts.items()}


class Totals:
    """Takes reports; returns seconds and totals."""

    def __init__(self) -> None:
        self._edges: dict[Ends, Sum] = {}
        self._served: dict[tuple[str, ...], Sum] = {}
        self._edge_totals: dict[Ends, Total] = {}
        self._served_totals: dict[tuple[str, ...], Total] = {}
        self.dropped_spans = 0

    def add(self, caller: tuple[str, ...], report: Message) -> None:
        """Add one pod's report.

        Args:
            caller: tier, version, region, zone of the pod.
            report: its message.

        Raises:
            KeyError, TypeError, ValueError: the report violates the contract.
        """
        for edge in report.get("edges", ()):
            ends = caller, tuple(str(part) for part in edge["to"])
            if ends not in self._edge_totals and len(self._edge_totals) + len(self._edges) >= MOST_EDGES:
                ends = OTHER_ENDS
            self._edges.setdefault(ends, Sum()).add(edge)
        if served := report.get("served"):
            if caller not in self._served_totals:
                full = len(self._served_totals) + len(self._served) >= MOST_EDGES
                caller = OTHER_PLACE if full else caller
            self._served.setdefault(caller, Sum()).add(served)
        self.dropped_spans += int(report.get("dropped_spans", 0))

    def second(self, eureka: str) -> Message | None:
        """Close the second: add it to the totals and return it; None if no pod reported."""
        if not self._edges and not self._served:
            return None
        edges, self._edges = self._edges, {}
        served, self._served = self._served, {}
        return {
            "t": SECOND,
            "eureka": eureka,
            "edges": [
                {
                    "from": list(a),
                    "to": list(b),
                    **self._close(self._edge_totals.setdefault((a, b), Total()), second),
                }
                for (a, b), second in edges.items()
            ],
            "served": [
                {"at": list(tier), **self._close(self._served_totals.setdefault(tier, Total()), second)}
                for tier, second in served.items()
            ],
        }

    def totals(self) -> dict[str, Any]:
        """Return everything since the start of this eureka, without the second in progress."""
        return {
            "edges": [
                {"from": list(a), "to": list(b), **t.rendered()} for (a, b), t in self._edge_totals.items()
            ],
            "served": [{"at": list(tier), **t.rendered()} for tier, t in self._served_totals.items()],
            "dropped_spans": self.dropped_spans,
        }

    def _close(self, total: Total, second: Sum) -> dict[str, Any]:
        windows: dict[str, Counts] = {}
        for latency, texts in second.encoded.items():
            window = windows[latency] = {}
            for text in texts:
                try:
                    add_counts(window, decode_counts(text))
                except ValueError:
                    # An invalid histogram of one pod must not discard the second of the others.
                    continue
        total.fold(second, windows)
        return second.counts() | {name: encode_counts(window) for name, window in windows.items()}

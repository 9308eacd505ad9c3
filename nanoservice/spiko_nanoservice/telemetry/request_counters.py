"""Pure: one pod's counts per edge that it called and of its own replies.

They are counted since the last report, and summed up since the start of the pod for `/metrics`.
"""

from __future__ import annotations

from array import array
from typing import Any

from spiko_nanoservice.contract import ANYWHERE, Instance, Reason
from spiko_nanoservice.telemetry.latencies import count_values, encode_counts
from spiko_nanoservice.telemetry.totals import MOST_REASONS, OTHER, Cumulative

Callee = tuple[str, str, str, str]
# Latencies that are kept while no eureka takes reports; outcomes are counted beyond it.
MOST_VALUES = 1_000_000


class Edge:
    """Counts and latencies (microseconds) of one edge, or of a pod's own replies."""

    __slots__ = ("errors", "folded", "miss", "network", "not_sent", "ok", "response", "service", "writes")

    def __init__(self) -> None:
        self.ok = 0
        self.miss = 0
        self.errors: dict[str, int] = {}
        self.writes = 0  # part of ok: what can neither hit nor miss
        self.response = array("q")
        self.service = array("q")
        self.network = array("q")
        self.folded = 0
        self.not_sent = 0

    def add(self, status: int, reason: str, response_us: int, service_us: int | None) -> None:
        """Count one outcome with its latencies.

        Args:
            status: 200, 404 (a miss, which is a success), or that of an error; 0 if no reply came.
            reason: of an error; its status counts as the reason if it has none.
            response_us: until the reply.
            service_us: as the callee reported it; None if it did not.
        """
        self.count(status, reason)
        if len(self.response) < MOST_VALUES:
            self.response.append(response_us)
            if service_us is not None:
                self.service.append(service_us)
                self.network.append(max(0, response_us - service_us))

    def count(self, status: int, reason: str) -> None:
        """Count one outcome without latencies."""
        if status == 200:
            self.ok += 1
        elif status == 404:
            self.miss += 1
        else:
            key = reason or str(status)
            if key not in self.errors and len(self.errors) >= MOST_REASONS:
                key = OTHER
            self.errors[key] = self.errors.get(key, 0) + 1

    def rendered(self) -> dict[str, Any]:
        """Return the values of the report."""
        found: dict[str, Any] = {"ok": self.ok, "miss": self.miss, "errors": self.errors}
        if self.not_sent:
            found["not_sent"] = self.not_sent
        for name, values in (
            ("response", self.response),
            ("service", self.service),
            ("network", self.network),
        ):
            if values:
                found[name] = encode_counts(count_values(values))
        if self.writes:
            found["writes"] = self.writes
        return found


class RequestCounters:
    """One pod's counters.

    Attributes:
        dropped_spans: spans that were reported as dropped since the start of the pod.
        exported_spans: spans that the collector took since the start of the pod; updated once a second.
    """

    def __init__(self) -> None:
        self._edges: dict[Callee, Edge] = {}
        self._served = Edge()
        self._failed_calls: dict[str, dict[str, int]] = {}
        self._edge_sums: dict[Callee, Cumulative] = {}
        self._served_sum = Cumulative()
        self.dropped_spans = self.exported_spans = 0

    def called(
        self, to: Instance, status: int, reason: str, response_us: int, service_us: int | None
    ) -> None:
        """Count a call that was answered."""
        self._edge((to.tier, to.version, to.region, to.zone)).add(status, reason, response_us, service_us)

    def wrote(self, to: Instance | None) -> None:
        """Count a successful reply as that to a write, in addition to `called` or, with None, to `served`."""
        edge = self._served if to is None else self._edge((to.tier, to.version, to.region, to.zone))
        edge.writes += 1

    def failed(self, to: Instance, reason: str, response_us: int) -> None:
        """Count a call that got no reply, also for the instance itself."""
        self._edge((to.tier, to.version, to.region, to.zone)).add(0, reason, response_us, None)
        reasons = self._failed_calls.setdefault(to.id, {})
        reasons[reason] = reasons.get(reason, 0) + 1

    def unrouted(self, tier: str, version: str) -> None:
        """Count a request of a source without an instance to send it to: it has no place and no latency."""
        self._edge((tier, version, ANYWHERE, ANYWHERE)).count(503, Reason.NO_ROUTE)

    def not_sent(self, count: int) -> None:
        """Count requests of this source that were due and could not be sent in time."""
        self._served.not_sent += count

    def served(self, status: int, reason: str, took_us: int) -> None:
        """Count a request that this pod answered."""
        self._served.add(status, reason, took_us, None)

    def take(self, dropped_spans: int) -> dict[str, Any] | None:
        """Return the body of a report with everything since the last call; None if all counts are zero.

        The counts begin again at zero.
        """
        served = self._served
        idle = not (served.ok or served.miss or served.errors or served.not_sent)
        if idle and not self._edges and not dropped_spans:
            return None
        edges, self._edges = self._edges, {}
        failed_calls, self._failed_calls = self._failed_calls, {}
        self._served = Edge()
        self.dropped_spans += dropped_spans
        for total, interval in [
            (self._served_sum, served),
            *((self._sum(c), edge) for c, edge in edges.items()),
        ]:
            total.time(interval)
            total.count(interval)
        return {
            "edges": [{"to": list(callee), **edge.rendered()} for callee, edge in edges.items()],
            "served": None if idle else served.rendered(),
            "hurt": failed_calls,
            "dropped_spans": dropped_spans,
        }

    def read(self) -> tuple[Cumulative, dict[Callee, Cumulative]]:
        """Return everything since the start of the pod, reported or not.

        The first value has its own replies, the second the calls of each edge.
        """
        edges = dict(self._edge_sums)
        for callee, edge in self._edges.items():
            edges[callee] = self._sum(callee).with_pending(edge)
        return self._served_sum.with_pending(self._served), edges

    def _sum(self, callee: Callee) -> Cumulative:
        found = self._edge_sums.get(callee)
        if found is None:
            found = self._edge_sums[callee] = Cumulative()
        return found

    def _edge(self, key: Callee) -> Edge:
        edge = self._edges.get(key)
        if edge is None:
            edge = self._edges[key] = Edge()
        return edge

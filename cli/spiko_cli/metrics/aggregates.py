"""Pure: reports of eurekas, added up per edge and per tier.

`spiko top` adds up a window, `spiko run` a whole run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hdrh.histogram import HdrHistogram

from spiko_nanoservice.telemetry.histograms import add_encoded, new_histogram

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
LATENCIES = ("response", "service", "network")
Percentiles = tuple[int, ...]  # microseconds, one for each of PERCENTILES


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Args:
        name: of the edge or tier.
        rate: requests/s.
        ok: requests that succeeded.
        writes: of these, the ones that stored a value; the others have read one.
        miss: requests for missing keys.
        errors: failed requests by cause.
        response_us: percentiles in microseconds, as callers measure them.
        service_us: as callees measure them.
        network_us: the difference.
        ends: caller and callee of an edge.
        not_sent: requests of a source that were due and could not be sent in time; not in `total`.
    """

    name: str
    rate: float
    ok: int
    writes: int
    miss: int
    errors: Mapping[str, int]
    response_us: Percentiles | None
    service_us: Percentiles | None
    network_us: Percentiles | None
    ends: tuple[str, str] | None = None
    not_sent: int = 0

    @property
    def failed(self) -> int:
        """Number of all failed requests."""
        return sum(self.errors.values())

    @property
    def total(self) -> int:
        """Number of all requests."""
        return self.ok + self.miss + self.failed

    @property
    def miss_percent(self) -> float | None:
        """Percentage of reads whose key was missing; None without a read that succeeded or missed."""
        reads = self.ok - self.writes + self.miss
        return 100 * self.miss / reads if reads else None

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        times = (("response", self.response_us), ("service", self.service_us), ("network", self.network_us))
        return {
            "name": self.name,
            **({"source": self.ends[0], "target": self.ends[1]} if self.ends else {}),
            "requestsPerSecond": round(self.rate, 2),
            "requests": self.total,
            "ok": self.ok,
            "writes": self.writes,
            "miss": self.miss,
            "errors": dict(self.errors),
            "notSent": self.not_sent,
            **{f"{name}Microseconds": percentiles_json(found) for name, found in times},
        }


def percentiles_json(found: Percentiles | None) -> dict[str, int]:
    """Return percentiles by name, such as p99.9; empty for None."""
    return {f"p{p:g}": value for p, value in zip(PERCENTILES, found, strict=True)} if found else {}


@dataclass
class Aggregate:
    """Counts, and histograms of the three latencies."""

    ok: int = 0
    miss: int = 0
    not_sent: int = 0
    writes: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    histograms: defaultdict[str, HdrHistogram] = field(default_factory=lambda: defaultdict(new_histogram))

    def add(self, entry: Mapping[str, Any]) -> None:
        """Add an edge or a tier of a report."""
        self.ok += entry["ok"]
        self.miss += entry["miss"]
        self.not_sent += entry.get("not_sent", 0)
        self.writes += entry.get("writes", 0)
        self.errors.update(entry["errors"])
        for latency in LATENCIES:
            if latency in entry:
                add_encoded(self.histograms[latency], entry[latency])

    def merge(self, other: Aggregate) -> None:
        """Add another aggregate."""
        self.ok += other.ok
        self.miss += other.miss
        self.not_sent += other.not_sent
        self.writes += other.writes
        self.errors.update(other.errors)
        for latency, histogram in other.histograms.items():
            self.histograms[latency].add(histogram)

    def row(self, name: str, seconds: float) -> Row:
        """Return a row; the rate is over so many seconds."""
        total = self.ok + self.miss + self.errors.total()
        response, service, network = (self._percentiles(latency) for latency in LATENCIES)
        rate = total / seconds if seconds > 0 else 0.0
        row = Row(name, rate, self.ok, self.writes, self.miss, dict(self.errors), response, service, network)
        return replace(row, not_sent=self.not_sent)

    def _percentiles(self, latency: str) -> Percentiles | None:
        found = self.histograms.get(latency)
        return (
            tuple(int(found.get_value_at_percentile(p)) for p in PERCENTILES) if found is not None else None
        )


class Aggregates:
    """Aggregates of edges and tiers by name.

    Args:
        zones: whether each pair of zones is an edge of its own.
    """

    def __init__(self, zones: bool = False) -> None:
        self._zones = zones
        self.edges: dict[tuple[str, str], Aggregate] = {}
        self.served: dict[str, Aggregate] = {}

    def add(self, second: Mapping[str, Any]) -> None:
        """Add one eureka's report of a second."""
        for edge in second["edges"]:
            self.edges.setdefault((self._end(edge["from"]), self._end(edge["to"])), Aggregate()).add(edge)
        for tier in second["served"]:
            self.served.setdefault(self._end(tier["at"]), Aggregate()).add(tier)

    def edge_rows(self, seconds: float) -> list[Row]:
        """Return rows of edges, as their callers see them."""
        rows = {
            ends: total.row(f"{ends[0]} -> {ends[1]}", seconds) for ends, total in sorted(self.edges.items())
        }
        return [replace(row, ends=ends) for ends, row in rows.items()]

    def tier_rows(self, seconds: float) -> list[Row]:
        """Return rows of tiers, as they serve."""
        return [total.row(name, seconds) for name, total in sorted(self.served.items())]

    def from_tiers(self, tiers: Collection[str]) -> Aggregate:
        """Return all edges whose caller is one of these tiers, in any version, as one aggregate.

        It also has the requests that these tiers, as sources, could not send.
        """
        whole = Aggregate()
        for tier, served in self.served.items():
            if tier.partition("@")[0] in tiers:
                whole.not_sent += served.not_sent
        for (caller, _), edge in self.edges.items():
            if caller.partition("@")[0] in tiers:
                whole.merge(edge)
        return whole

    def _end(self, parts: list[str]) -> str:
        """Return a tier's name, with its version if that is not the first, and its zone.

        Zones of the same name in two regions get the region's name.
        """
        tier, version, region, zone = parts
        plain = tier if version == "1.0.0" else f"{tier}@{version}"
        if not self._zones or zone == "*":
            return plain
        return f"{plain}/{zone}" if zone.startswith(region) else f"{plain}/{region}/{zone}"

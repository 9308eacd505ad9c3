"""Pure: the last seconds of all eurekas, added up per edge and per tier."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from spiko_nanoservice.histograms import add_encoded, new_histogram

PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass
class Row:
    """One line. Times in microseconds; `response_us` are the four percentiles, `service_us` and `network_us` medians."""

    name: str
    rate: float
    ok: int
    miss: int
    errors: dict[str, int]
    response_us: tuple[int, ...] | None
    service_us: int | None
    network_us: int | None

    @property
    def failed(self) -> int:
        """All errors."""
        return sum(self.errors.values())

    @property
    def total(self) -> int:
        """All requests."""
        return self.ok + self.miss + self.failed

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        times = dict(zip(("p50", "p90", "p99", "p99.9"), self.response_us, strict=True)) if self.response_us else {}
        return {
            "name": self.name,
            "requestsPerSecond": round(self.rate, 2),
            "ok": self.ok,
            "miss": self.miss,
            "errors": self.errors,
            "responseMicroseconds": times,
            "serviceMedianMicroseconds": self.service_us,
            "networkMedianMicroseconds": self.network_us,
        }


@dataclass
class _Sum:
    ok: int = 0
    miss: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    encoded: dict[str, list[str]] = field(default_factory=dict)


class Window:
    """A sliding window.

    Args:
        seconds: its length.
        zones: whether zones make edges of their own.
    """

    def __init__(self, seconds: int, zones: bool) -> None:
        self.seconds, self._zones = seconds, zones
        self._seen: deque[tuple[float, dict[str, Any]]] = deque()

    def add(self, second: dict[str, Any], now: float) -> None:
        """Take one eureka's second."""
        self._seen.append((now, second))

    def rows(self, now: float) -> list[Row]:
        """Edges, as their callers see them."""
        return self._sum(now, "edges", lambda e: f"{self._end(e['from'])} -> {self._end(e['to'])}")

    def served(self, now: float) -> list[Row]:
        """Tiers, as they serve."""
        return self._sum(now, "served", lambda e: self._end(e["at"]))

    def _end(self, parts: list[str]) -> str:
        tier, version, _, zone = parts
        plain = tier if version == "1.0.0" else f"{tier}@{version}"
        return f"{plain}/{zone}" if self._zones and zone != "*" else plain

    def _sum(self, now: float, kind: str, name: Any) -> list[Row]:
        while self._seen and self._seen[0][0] < now - self.seconds:
            self._seen.popleft()
        sums: dict[str, _Sum] = {}
        for _, second in self._seen:
            for entry in second[kind]:
                total = sums.setdefault(name(entry), _Sum())
                total.ok += entry["ok"]
                total.miss += entry["miss"]
                total.errors.update(entry["errors"])
                for latency in ("response", "service", "network"):
                    if latency in entry:
                        total.encoded.setdefault(latency, []).append(entry[latency])
        return [self._row(key, total) for key, total in sorted(sums.items())]

    def _row(self, name: str, total: _Sum) -> Row:
        response = _percentiles(total.encoded.get("response"), PERCENTILES)
        service = _percentiles(total.encoded.get("service"), (50.0,))
        network = _percentiles(total.encoded.get("network"), (50.0,))
        count = total.ok + total.miss + sum(total.errors.values())
        return Row(
            name,
            count / self.seconds,
            total.ok,
            total.miss,
            dict(total.errors),
            response,
            service[0] if service else None,
            network[0] if network else None,
        )


def _percentiles(encoded: list[str] | None, wanted: tuple[float, ...]) -> tuple[int, ...] | None:
    if not encoded:
        return None
    histogram = new_histogram()
    for text in encoded:
        add_encoded(histogram, text)
    return tuple(int(histogram.get_value_at_percentile(percentile)) for percentile in wanted)

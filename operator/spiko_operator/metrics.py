"""The instruments of the operator, and the page `/metrics`, by the OpenTelemetry SDK.

Counts of what happens are added as it happens. All other figures are read when the page is requested, so that
an operator at rest spends nothing on them. No label has the name of a user's object. `docs/metrics.md` lists
all metrics.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from opentelemetry.metrics import CallbackOptions, Meter, NoOpMeterProvider, Observation

from spiko_operator.cluster.resources import kind_of_request

SCOPE = "spiko_operator"
KINDS = ("architecture", "fault", "monkey")  # of passes and queues
RESULTS = ("success", "requeue", "error")
METHODS = ("Evict", "Delete", "Crash")
DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
K = TypeVar("K")


@dataclass(frozen=True)
class Figures:
    """What the operator has at one moment; mappings are by the value of the label.

    Args:
        list_age_s: seconds since the last full list; before the first, since the start; None before that.
        leader: whether this operator is the leader.
        queue_depths: keys that wait for a worker, by kind.
        queue_ages_s: for how long the oldest of them waits, seconds, by kind.
        pass_ages_s: for how long the longest pass in progress runs, seconds, by kind.
        event_ages_s: seconds since the last event of the watch, by kind of object.
        cached: objects in the cache, by kind of object.
        divergences: objects in which full lists differed from the cache, by kind of object.
        rejected: Architectures whose latest spec is rejected; None if that is not known.
        links: eurekas, by whether they are connected.
        link_errors: ended or failed connections to eurekas, by cause.
    """

    list_age_s: float | None = None
    leader: bool = False
    queue_depths: Mapping[str, int] = field(default_factory=dict)
    queue_ages_s: Mapping[str, float] = field(default_factory=dict)
    pass_ages_s: Mapping[str, float] = field(default_factory=dict)
    event_ages_s: Mapping[str, float] = field(default_factory=dict)
    cached: Mapping[str, int] = field(default_factory=dict)
    divergences: Mapping[str, int] = field(default_factory=dict)
    rejected: int | None = None
    links: Mapping[str, int] = field(default_factory=dict)
    link_errors: Mapping[str, int] = field(default_factory=dict)


Read = Callable[[Figures], Mapping[str, float]]


def _known(value: float | None) -> Mapping[str, float]:
    return {} if value is None else {"": value}


# Name, unit, description, label, and what is read.
GAUGES: tuple[tuple[str, str, str, str, Read], ...] = (
    ("queue_depth", "", "Keys that wait for a worker.", "queue", lambda f: f.queue_depths),
    ("queue_oldest_age", "s", "Time that the oldest key waits.", "queue", lambda f: f.queue_ages_s),
    ("longest_pass", "s", "Time that the longest pass in progress runs.", "kind", lambda f: f.pass_ages_s),
    ("watch_age", "s", "Time since the last event of a watch.", "kind", lambda f: f.event_ages_s),
    ("cached_objects", "", "Objects in the cache.", "kind", lambda f: f.cached),
    ("eureka_links", "", "Eurekas to connect to.", "state", lambda f: f.links),
    ("list_age", "s", "Time since the last full list.", "", lambda f: _known(f.list_age_s)),
    ("leader", "", "1 if this operator is the leader, else 0.", "", lambda f: {"": float(f.leader)}),
    ("rejected_architectures", "", "Architectures with Accepted=False.", "", lambda f: _known(f.rejected)),
)
SUMS: tuple[tuple[str, str, str, str, Read], ...] = (
    ("cache_divergences", "", "Objects that watches missed.", "kind", lambda f: f.divergences),
    ("eureka_link_errors", "", "Failed or broken links to eurekas.", "cause", lambda f: f.link_errors),
)


class Metrics:
    """The instruments of one operator.

    Args:
        meter: of OpenTelemetry; one that does nothing if there is no server.
    """

    def __init__(self, meter: Meter) -> None:
        self._read: Callable[[], Figures] | None = None
        self._figures: Figures | None = None
        self._passes = meter.create_counter(f"{SCOPE}_reconciles", description="Passes that have ended.")
        self._durations = meter.create_histogram(
            f"{SCOPE}_reconcile_duration",
            unit="s",
            description="Duration of passes.",
            explicit_bucket_boundaries_advisory=DURATIONS_S,
        )
        self._requests = meter.create_counter(
            f"{SCOPE}_api_requests", description="Requests to the API server, without those of watches."
        )
        self._kills = meter.create_counter(f"{SCOPE}_kills", description="Pods selected as victims.")
        for name, unit, text, label, read in GAUGES:
            callback = self._callback(label, read)
            meter.create_observable_gauge(f"{SCOPE}_{name}", [callback], unit, text)
        for name, unit, text, label, read in SUMS:
            callback = self._callback(label, read)
            meter.create_observable_counter(f"{SCOPE}_{name}", [callback], unit, text)
        self._begin_at_zero()

    def observe(self, read: Callable[[], Figures]) -> None:
        """Read the figures of the page from this operator, when the page is requested."""
        self._read = read

    def refresh(self) -> None:
        """Read the figures once for all instruments of a page."""
        self._figures = self._read() if self._read is not None else None

    def measure(
        self, kind: str, work: Callable[[K], Awaitable[float | None]]
    ) -> Callable[[K], Awaitable[float | None]]:
        """Return the work of a queue, which counts its passes. An interrupted pass does not count."""

        async def measured(key: K) -> float | None:
            began = time.monotonic()
            try:
                requeue_s = await work(key)
            except Exception:
                self._end_pass(kind, "error", began)
                raise
            self._end_pass(kind, "success" if requeue_s is None else "requeue", began)
            return requeue_s

        return measured

    def count_request(self, method: str, path: str, code: str) -> None:
        """Count a request to the API server; `code` is its status, or `error` without a response."""
        kind = kind_of_request(method, path)
        self._requests.add(1, {"verb": kind.verb, "resource": kind.resource, "code": code})

    def count_kill(self, source: str, method: str, result: str) -> None:
        """Count a victim of a Fault or a monkey, with its final state."""
        self._kills.add(1, {"source": source, "method": method, "result": result})

    def _end_pass(self, kind: str, result: str, began: float) -> None:
        self._passes.add(1, {"kind": kind, "result": result})
        self._durations.record(time.monotonic() - began, {"kind": kind})

    def _begin_at_zero(self) -> None:
        """Make the series of passes and kills: a rate misses the first count of a series that begins at 1."""
        for kind in KINDS:
            for result in RESULTS:
                self._passes.add(0, {"kind": kind, "result": result})
        for source in KINDS[1:]:
            for method in METHODS:
                self._kills.add(0, {"source": source, "method": method, "result": "Killed"})

    def _callback(self, label: str, read: Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            values = read(self._figures) if self._figures is not None else {}
            return [Observation(value, {label: of} if label else {}) for of, value in values.items()]

        return observe


def no_metrics() -> Metrics:
    """Return instruments that do nothing, for an operator without a server."""
    return Metrics(NoOpMeterProvider().get_meter(SCOPE))


def start_metrics() -> tuple[Metrics, Callable[[], tuple[str, bytes]]]:
    """Return instruments, and what renders their page: its content type and its bytes.

    The SDK is imported here, because an operator without a server does not need it.
    """
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=registry)
    provider = MeterProvider([reader], Resource.get_empty(), shutdown_on_exit=False)
    metrics = Metrics(provider.get_meter(SCOPE))

    def render() -> tuple[str, bytes]:
        metrics.refresh()
        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)

    return metrics, render

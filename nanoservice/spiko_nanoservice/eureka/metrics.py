"""Pure: the metrics of a eureka at `/metrics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from spiko_nanoservice.eureka.registry.registry import Registry
from spiko_nanoservice.settings import Settings
from spiko_nanoservice.telemetry.metrics import add_revision, page_of
from spiko_nanoservice.telemetry.prometheus import Labels, Page


@dataclass(frozen=True)
class EurekaCounts:
    """Counts of a eureka since its start, and its open connections.

    Args:
        connections: number of open connections by kind.
        dropped_spans: spans that pods reported as dropped.
        refused: connections that were refused.
        internal_errors: errors that no code expected.
    """

    connections: Mapping[str, int]
    dropped_spans: int
    refused: int
    internal_errors: int


def eureka_page(settings: Settings, started_s: float, registry: Registry, counts: EurekaCounts) -> bytes:
    """Return the metrics page of a eureka.

    Args:
        settings: identity of the pod.
        started_s: start of the process, seconds since 1970.
        registry: its registry.
        counts: what it counts itself.
    """
    page = page_of(settings, started_s)
    page.gauge(
        "spiko_registry_pods",
        "Pods that this eureka knows, including pods registered at other eurekas of its region.",
        _known_pods(registry),
    )
    page.gauge(
        "spiko_registry_sessions", "Pods that are registered at this eureka.", [({}, len(registry.sessions))]
    )
    if registry.configuration is not None:
        add_revision(page, registry.configuration.revision)
    _add_counts(page, counts)
    return page.render()


def _add_counts(page: Page, counts: EurekaCounts) -> None:
    kinds: list[tuple[Labels, float]] = [
        ({"kind": kind}, count) for kind, count in counts.connections.items()
    ]
    page.gauge(
        "spiko_registry_connections",
        "Open connections by kind: pods, other eurekas, followers, readers.",
        kinds,
    )
    for name, text, count in (
        (
            "spiko_registry_refused_connections_total",
            "Connections that this eureka refused: no valid proof, or too many at a time.",
            counts.refused,
        ),
        (
            "spiko_reported_dropped_spans_total",
            "Spans that pods dropped because they could not export them.",
            counts.dropped_spans,
        ),
        (
            "spiko_internal_errors_total",
            "Errors that no code expected; each kind is logged once.",
            counts.internal_errors,
        ),
    ):
        page.counter(name, text, [({}, count)])


def _known_pods(registry: Registry) -> list[tuple[Labels, float]]:
    pods = Counter((hello.tier, hello.version, hello.zone) for hello in registry.entries.known.values())
    return [
        ({"pod_tier": tier, "pod_version": version, "pod_zone": zone}, count)
        for (tier, version, zone), count in sorted(pods.items())
    ]

"""Pure: the metrics of a eureka at `/metrics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from spiko_nanoservice.eureka.registry.registry import Registry
from spiko_nanoservice.settings import Settings
from spiko_nanoservice.telemetry.metrics import add_revision, page_of
from spiko_nanoservice.telemetry.prometheus import Labels


def eureka_page(
    settings: Settings,
    started_s: float,
    registry: Registry,
    connections: Mapping[str, int],
    dropped_spans: int,
    refused: int,
) -> bytes:
    """Return the metrics page of a eureka.

    Args:
        settings: identity of the pod.
        started_s: start of the process, seconds since 1970.
        registry: its registry.
        connections: number of open connections by kind.
        dropped_spans: spans that pods reported as dropped.
        refused: connections that were refused.
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
    kinds: list[tuple[Labels, float]] = [({"kind": kind}, count) for kind, count in connections.items()]
    page.gauge(
        "spiko_registry_connections", "Open connections by kind: pods, other eurekas, followers.", kinds
    )
    page.counter(
        "spiko_registry_refused_connections_total",
        "Connections that this eureka refused: no valid proof, or too many at a time.",
        [({}, refused)],
    )
    page.counter(
        "spiko_reported_dropped_spans_total",
        "Spans that pods dropped because they could not export them.",
        [({}, dropped_spans)],
    )
    return page.render()


def _known_pods(registry: Registry) -> list[tuple[Labels, float]]:
    pods = Counter((hello.tier, hello.version, hello.zone) for hello in registry.entries.known.values())
    return [
        ({"pod_tier": tier, "pod_version": version, "pod_zone": zone}, count)
        for (tier, version, zone), count in sorted(pods.items())
    ]

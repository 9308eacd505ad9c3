"""Pure: the metrics of a pod at `/metrics`, rendered from the counters that it reports to its eureka.

Every sample has the labels spiko_architecture, tier, version, region and zone; an edge has callee_tier,
callee_version and so on.
"""

from __future__ import annotations

from spiko_nanoservice.contract import PACKAGES, Package, PodConfig, Revision
from spiko_nanoservice.settings import Settings
from spiko_nanoservice.telemetry.prometheus import Labels, Page
from spiko_nanoservice.telemetry.request_counters import RequestCounters

RELEASE = "0.1.0"  # of pyproject.toml; a test compares them


def page_of(settings: Settings, started_s: float) -> Page:
    """Return a page with the metrics of every pod.

    Args:
        settings: identity of the pod.
        started_s: start of the pod, seconds since 1970.
    """
    page = Page(
        {
            "spiko_architecture": settings.architecture,
            "tier": settings.tier,
            "version": settings.version,
            "region": settings.region,
            "zone": settings.zone,
        }
    )
    build = {"release": RELEASE, "package": settings.package}
    page.gauge("spiko_build_info", "Release and role of this pod; always 1.", [(build, 1)])
    page.gauge(
        "process_start_time_seconds", "Start time of the pod in seconds since 1970.", [({}, started_s)]
    )
    return page


def tier_page(
    settings: Settings,
    started_s: float,
    config: PodConfig,
    counters: RequestCounters,
    in_progress: int,
    ready: bool,
) -> bytes:
    """Return the metrics page of a tier's pod.

    Args:
        settings: identity of the pod.
        started_s: start of the pod, seconds since 1970.
        config: the configuration that it acts on.
        counters: of its requests.
        in_progress: requests in progress, without the one for this page.
        ready: whether it has registered.
    """
    page = page_of(settings, started_s)
    served, edges = counters.read()
    calls = [(_callee(callee), counts) for callee, counts in edges.items()]
    page.gauge("spiko_ready", "1 if the pod listens and has registered, else 0.", [({}, int(ready))])
    add_revision(page, config.revision)
    page.gauge("spiko_requests_in_progress", "Requests in progress.", [({}, in_progress)])
    page.outcomes("spiko_served_requests_total", "Requests answered, by outcome.", [({}, served)])
    page.durations(
        "spiko_served_duration_seconds", "Time from the arrival of a request to its reply.", [({}, served)]
    )
    if PACKAGES[Package(settings.package)].source:
        _add_not_sent(page, served.not_sent)
    page.outcomes("spiko_edge_requests_total", "Calls to other pods, by outcome and callee.", calls)
    page.durations(
        "spiko_edge_duration_seconds",
        "Time from the start of a call, or from when it was due at a source, to its reply.",
        calls,
    )
    _add_spans(page, counters)
    return page.render()


def _add_not_sent(page: Page, count: int) -> None:
    help_text = "Requests of a source that were due and could not be sent in time."
    page.counter("spiko_not_sent_requests_total", help_text, [({}, count)])


def _add_spans(page: Page, counters: RequestCounters) -> None:
    help_text = "Spans that the collector took."
    page.counter("spiko_exported_spans_total", help_text, [({}, counters.exported_spans)])
    help_text = "Spans dropped because they could not be exported."
    page.counter("spiko_dropped_spans_total", help_text, [({}, counters.dropped_spans)])


def _callee(callee: tuple[str, str, str, str]) -> Labels:
    return dict(zip(("callee_tier", "callee_version", "callee_region", "callee_zone"), callee, strict=True))


def add_revision(page: Page, revision: Revision) -> None:
    """Add the revision of the configuration that the pod acts on."""
    page.gauge(
        "spiko_configuration_term",
        "Term of the active configuration, -1 before the first.",
        [({}, revision.term)],
    )
    page.gauge(
        "spiko_configuration_counter",
        "Counter of the active configuration within its term.",
        [({}, revision.counter)],
    )

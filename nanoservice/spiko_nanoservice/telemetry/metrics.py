"""Pure: what a pod says at `/metrics`, made of counters that it keeps anyway.

Every sample says which pod's it is: spiko_architecture, tier, version, region, zone. An edge's other end is callee_tier and so on.
"""

from __future__ import annotations

from spiko_nanoservice.contract import PodConfig, Revision
from spiko_nanoservice.settings import Settings
from spiko_nanoservice.telemetry.prometheus import Labels, Page
from spiko_nanoservice.telemetry.request_counters import Tally

RELEASE = "0.1.0"  # pyproject.toml's, a test compares them


def page_of(settings: Settings, started_s: float) -> Page:
    """A page with what every pod says; `started_s` is when the pod began, seconds since 1970."""
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
    page.gauge("spiko_build_info", "The release that this pod runs, and its role; always 1.", [(build, 1)])
    page.gauge("process_start_time_seconds", "When the pod began, in seconds since 1970.", [({}, started_s)])
    return page


def tier_page(
    settings: Settings, started_s: float, config: PodConfig, tally: Tally, in_progress: int, ready: bool
) -> bytes:
    """The page of a tier's pod.

    Args:
        settings: who it is.
        started_s: when it began, seconds since 1970.
        config: what it acts on.
        tally: what it counted.
        in_progress: requests that it works on, this one left out.
        ready: whether it is.
    """
    page = page_of(settings, started_s)
    served, edges = tally.read()
    calls = [(_callee(callee), counts) for callee, counts in edges.items()]
    page.gauge("spiko_ready", "1 when the pod listens and has registered.", [({}, int(ready))])
    add_revision(page, config.revision)
    page.gauge("spiko_requests_in_progress", "Requests being worked on.", [({}, in_progress)])
    page.outcomes("spiko_served_requests_total", "Requests answered, by outcome.", [({}, served)])
    page.durations("spiko_served_duration_seconds", "From a request's arrival to its answer.", [({}, served)])
    page.outcomes("spiko_edge_requests_total", "Calls to other pods, by outcome and callee.", calls)
    page.durations("spiko_edge_duration_seconds", "From a call's begin to its answer, as the caller sees it.", calls)
    page.counter("spiko_dropped_spans_total", "Spans that could not be exported.", [({}, tally.dropped_spans)])
    return page.render()


def _callee(callee: tuple[str, str, str, str]) -> Labels:
    return dict(zip(("callee_tier", "callee_version", "callee_region", "callee_zone"), callee, strict=True))


def add_revision(page: Page, revision: Revision) -> None:
    """The configuration that is acted on."""
    page.gauge("spiko_configuration_term", "Term of the configuration acted on, -1 before any.", [({}, revision.term)])
    page.gauge("spiko_configuration_counter", "Its count within the term.", [({}, revision.counter)])

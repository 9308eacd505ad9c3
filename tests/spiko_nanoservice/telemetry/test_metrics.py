"""`/metrics`: Prometheus' parser reads it, and it has the counts."""

from __future__ import annotations

import asyncio
import tomllib
import urllib.request
from array import array

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from spiko_nanoservice.contract import EUREKA_PORT, Instance
from spiko_nanoservice.eureka.report_check import check_report
from spiko_nanoservice.telemetry.metrics import RELEASE
from spiko_nanoservice.telemetry.prometheus import Page
from spiko_nanoservice.telemetry.request_counters import Edge, RequestCounters
from spiko_nanoservice.telemetry.totals import BOUNDS_US, MOST_REASONS, OTHER, Cumulative
from tests.support.loopback_cluster import LoopbackCluster, ask, configuration, loopback_cluster, tier, until
from tests.support.paths import ROOT

CHAIN = configuration(tier("front", "monolith", "db"), tier("db", "store"))
DB = Instance("db-0", "db", "store", "1.0.0", "r", "a", "127.0.0.1", 8080)


def parse(page: bytes) -> dict[str, Metric]:
    """Return the families of a page by name."""
    return {family.name: family for family in text_string_to_metric_families(page.decode())}


def value(page: bytes, sample: str, **labels: str) -> float:
    """Return the one sample with this name and these labels, among others."""
    (found,) = [
        s.value for family in parse(page).values() for s in family.samples
        if s.name == sample and labels.items() <= s.labels.items()
    ]  # fmt: skip
    return found


async def test_metrics_of_a_pod_have_its_replies_and_calls() -> None:
    """Given requests through a tier, when its page is read before and after a report, then it has the same
    outcomes and seconds, with the pod's labels on every sample.
    """
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        await t.add("db-0", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: front.tier.routes.has_route)
        await ask(front, "GET", "/k/why%3F")
        front.tier.counters.take(0)
        await ask(front, "GET", "/k/unknown")
        page = (await ask(front, "GET", "/metrics")).body

    callee = {"callee_tier": "db", "callee_version": "1.0.0", "callee_region": "r", "callee_zone": "a"}
    own = {"spiko_architecture": "arch", "tier": "front", "version": "1.0.0", "region": "r", "zone": "a"}
    assert (1, 1) == tuple(value(page, "spiko_served_requests_total", outcome=o) for o in ("ok", "miss"))
    assert (1, 1) == tuple(
        value(page, "spiko_edge_requests_total", outcome=o, **callee) for o in ("ok", "miss")
    )
    assert 2 == value(page, "spiko_edge_duration_seconds_bucket", le="+Inf", **callee)
    assert 2 == value(page, "spiko_served_duration_seconds_count")
    assert 0 < value(page, "spiko_served_duration_seconds_sum") < 5
    assert (1, 1, 0) == (
        value(page, "spiko_build_info", release=RELEASE, package="monolith"),
        value(page, "spiko_ready"),
        value(page, "spiko_requests_in_progress"),
    )
    assert 1 == value(page, "spiko_configuration_counter")
    assert all(own.items() <= s.labels.items() for family in parse(page).values() for s in family.samples)


async def test_the_content_type_names_the_format() -> None:
    """Given a scrape of a pod and of a eureka, then Content-Type names the text format and its version."""
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        store = await t.add("db-0", "db", "store")
        await until(lambda: store.tier.ready)
        types = [await scrape(store.settings.address, store.port), await scrape(*eureka_of(t))]

    assert ["text/plain; version=0.0.4; charset=utf-8"] * 2 == [kind for kind, _ in types]


async def test_metrics_of_a_eureka_have_its_pods_and_connections() -> None:
    """Given registered pods, when a eureka is scraped, then it reports them by tier, version and zone, its
    sessions, connections and revision.
    """
    async with loopback_cluster() as t:
        await t.add_eureka("a", CHAIN)
        pods = [await t.add("db-0", "db", "store"), await t.add("front-0", "front", "monolith")]
        await until(lambda: all(pod.tier.ready for pod in pods))
        _, page = await scrape(*eureka_of(t))

    assert 1 == value(page, "spiko_registry_pods", pod_tier="db", pod_version="1.0.0", pod_zone="a")
    assert (2, 2) == (
        value(page, "spiko_registry_sessions"),
        value(page, "spiko_registry_connections", kind="pod"),
    )
    assert (0, 1) == (value(page, "spiko_configuration_term"), value(page, "spiko_configuration_counter"))
    assert "eureka" == parse(page)["spiko_build_info"].samples[0].labels["tier"]


def eureka_of(t: LoopbackCluster) -> tuple[str, int]:
    """Return the address of the only eureka."""
    return t.names["arch-eureka-a.default"][0], EUREKA_PORT


async def scrape(address: str, port: int) -> tuple[str, bytes]:
    """Return content type and body of /metrics as a client gets them."""

    def get() -> tuple[str, bytes]:
        with urllib.request.urlopen(f"http://{address}:{port}/metrics", timeout=5) as reply:
            return reply.headers["Content-Type"], reply.read()

    return await asyncio.to_thread(get)


def test_counts_never_decrease_when_they_are_read_or_reported() -> None:
    """Given counters, when they are read and reported in any order, then sums do not decrease and count each
    outcome once.
    """
    counters = RequestCounters()
    totals = []
    for took_us in (100, 101, 3_000_000, 60_000_000):
        counters.called(DB, 200, "", took_us, None)
        counters.failed(DB, "refused", 50)
        counters.read()
        if took_us == 101:
            counters.take(3)
        (counts,) = counters.read()[1].values()
        totals.append((counts.ok, counts.errors["refused"], counts.timed))

    assert [(1, 1, 2), (2, 2, 4), (3, 3, 6), (4, 4, 8)] == totals
    # A bound belongs to its bucket.
    assert (5, 6, 7) == (
        counts.buckets[0],
        counts.buckets[1],
        counts.buckets[-1],
    )
    assert 63_000_401 == counts.sum_us
    assert 3 == counters.dropped_spans
    assert list(BOUNDS_US) == sorted(BOUNDS_US)


def test_reasons_beyond_32_are_counted_together() -> None:
    """Given more than 32 reasons from headers of other pods, then the later ones share one label value."""
    edge, counts = Edge(), Cumulative()
    edge.errors = {f"made up {i}": 1 for i in range(100)}
    edge.response = array("q")
    counts.count(edge)

    assert MOST_REASONS + 1 == len(counts.errors)
    assert 100 - MOST_REASONS == counts.errors[OTHER]


def test_a_report_is_valid_with_any_number_of_reasons() -> None:
    """Given a callee that invents a reason for each reply, then the report has them all as 32 reasons and
    `other`, so that the eureka accepts it and the caller keeps its session.
    """
    counters = RequestCounters()
    for i in range(1_000):
        counters.called(DB, 503, f"made up {i}", 1_000, None)
        counters.served(503, f"made up {i}", 1_000)
    report = counters.take(0)
    assert report is not None
    check_report({"t": "report", **report})

    for errors in (report["edges"][0]["errors"], report["served"]["errors"]):
        assert MOST_REASONS + 1 == len(errors)
        assert 1_000 - MOST_REASONS == errors[OTHER]


def test_any_text_may_be_a_label_value() -> None:
    """Given quotes, backslashes and line ends in a label's value, when the page is parsed, then the value is
    the same.
    """
    texts = ['a "b"', "c\\d", "e\nf", "\\n", "g{h}=,i", "ü\x85\u2028", ""]
    page = Page({"tier": "t"})
    page.gauge("x", "X.", [({"text": text, "n": str(i)}, i) for i, text in enumerate(texts)])

    assert texts == [s.labels["text"] for s in parse(page.render())["x"].samples]


def test_a_family_without_samples_is_left_out() -> None:
    """Given a family without samples, when the page is rendered, then it has no HELP and TYPE lines of it."""
    page = Page({})
    page.durations("y_seconds", "Y.", [])

    assert {} == parse(page.render())


def test_the_release_is_that_of_the_project() -> None:
    """Given the installed distribution, then its version is the release in spiko_build_info."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert RELEASE == project["version"]

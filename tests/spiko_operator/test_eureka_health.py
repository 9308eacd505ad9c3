"""From pods over a eureka to the operator's verdicts, with real processes' parts on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from spiko_nanoservice.contract import Configuration
from spiko_operator.eureka_links import Links
from spiko_operator.plan.health import Verdict
from tests.support.loopback_cluster import LoopbackCluster, configuration, loopback_cluster, tier, until
from tests.support.operator_sockets import control_endpoint, operator_sockets

KEY = ("default", "arch")
FAILING = '{"errorsPerMillion": 1000000}'
DEAD = "http://127.0.0.1:1"


@asynccontextmanager
async def linked(**more: Any) -> AsyncIterator[tuple[LoopbackCluster, Links, list[tuple[str, str]]]]:
    """Yield a cluster with one eureka, the operator's links to it, and the keys that were requeued."""
    tiers = (tier("www", "denominator", "web", rate=100), tier("web", "monolith", "db"), tier("db", "store"))
    wanted: Configuration = configuration(*tiers, started=True, **more)
    changed: list[tuple[str, str]] = []
    async with loopback_cluster() as t, operator_sockets() as sockets:
        eureka = await t.add_eureka("a", wanted)
        links = Links(sockets.open, changed.append)
        links.configure(KEY, wanted)
        links.keep(KEY, {"e": control_endpoint(t.names["arch-eureka-a.default"][0])})
        try:
            await until(lambda: bool(eureka.eureka.sessions.followers))
            yield t, links, changed
        finally:
            await links.close()


async def test_requests_and_exports_that_fail_reach_the_operator() -> None:
    """Given a version that fails every request and a collector that is down, then the operator gets both
    verdicts, with the edge that causes the errors, and requeues the Architecture once for each.
    """
    async with linked(otlp_endpoint=DEAD) as (t, links, changed):
        await t.add("db-0", "db", "store", SPIKO_BEHAVIOR=FAILING)
        await t.add("web-0", "web", "monolith")
        await t.add("www-0", "www", "denominator")
        await until(lambda: len(links.reports(KEY)) == 1)
        await until(lambda: links.reports(KEY)[0].acked == 3)
        changed.clear()
        await until(lambda: None not in (links.verdicts(KEY).serving, links.verdicts(KEY).exporting), 20)
        verdicts, requeued = links.verdicts(KEY), len(changed)

    assert verdicts.serving == Verdict(False, "web 1.0.0 -> db 1.0.0 (injected)")
    assert verdicts.exporting is not None
    assert (verdicts.exporting.holds, verdicts.exporting.subject) == (False, DEAD)
    assert verdicts.exporting.detail.endswith("of 3 pods: refused")
    assert 1 <= requeued <= 2


async def test_a_silent_source_makes_no_message() -> None:
    """Given no traffic, then the eureka sends no summary, and there is no verdict."""
    async with linked() as (t, links, _):
        await t.add("db-0", "db", "store")
        await until(lambda: t.pods["db-0"].tier.ready)
        health = t.eurekas["a"].eureka.sessions.health

        assert health.close_second() is None
        assert health.last is None
        assert links.verdicts(KEY).serving is None

"""From pods over a eureka to the operator's verdicts, with real processes' parts on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from spiko_nanoservice.contract import OTLP_SECRET_PATH, Configuration
from spiko_operator.eureka_links import Links
from spiko_operator.plan.health import Verdict
from tests.support.certificates import make_certificate
from tests.support.collector_server import Collector, listening, write_secret
from tests.support.keys import write_keys
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


async def test_the_cause_of_a_tls_failure_reaches_the_operator(tmp_path: Path) -> None:
    """Given a collector whose certificate has expired, then the operator's verdict names that cause."""
    expired = make_certificate(None, "localhost", first_day=-9, last_day=-2)
    async with listening(Collector().serve, expired.server_context(tmp_path)) as port:
        root = str(tmp_path)
        write_keys(root)
        write_secret(Path(root + OTLP_SECRET_PATH), ca=expired.pem)
        async with linked(otlp_endpoint=f"https://localhost:{port}") as (t, links, _):
            for name, role in (("db", "store"), ("web", "monolith"), ("www", "denominator")):
                await t.add(f"{name}-0", name, role, SPIKO_VOLUMES_ROOT=root)
            await until(lambda: links.verdicts(KEY).exporting is not None, 20)
            verdict = links.verdicts(KEY).exporting

    assert verdict is not None
    assert not verdict.holds
    assert verdict.detail.endswith("of 3 pods: TLS: its certificate has expired")


async def test_a_silent_source_makes_no_message() -> None:
    """Given no traffic, then the eureka sends no summary, and there is no verdict."""
    async with linked() as (t, links, _):
        await t.add("db-0", "db", "store")
        await until(lambda: t.pods["db-0"].tier.ready)
        health = t.eurekas["a"].eureka.sessions.health

        assert health.close_second() is None
        assert health.last is None
        assert links.verdicts(KEY).serving is None

"""A caller whose eureka is away ejects an instance that is unreachable, and keeps one that is slow."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from dataclasses import replace

from spiko_nanoservice.contract import (
    ANYWHERE,
    Configuration,
    Place,
    Revision,
    TierConfig,
    VersionConfig,
    Zones,
)
from tests.support.loopback_cluster import ask, configuration, loopback_cluster, tier, until


async def test_dead_instance_fails_one_request_while_the_eureka_is_away() -> None:
    """Given two databases and no eureka, when one database ends, then one request of its caller fails at
    most; when a eureka is back, it has the other one only.
    """
    configured = configuration(tier("front", "monolith", "db"), tier("db", "store", count=2))
    async with loopback_cluster() as t:
        await t.add_eureka("a", configured)
        await t.add("db-0", "db", "store")
        await t.add("db-1", "db", "store")
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: len(front.tier.routes.instances) == 2)
        await t.stop("eureka-a")
        t.names["arch-eureka-a.default"] = t.names["arch-eureka.default"] = []
        before = Counter([(await ask(front, "GET", "/k/x")).status for _ in range(20)])
        await t.stop("db-1")
        after = Counter([(await ask(front, "GET", "/k/x")).status for _ in range(40)])
        left = set(front.tier.routes.instances)
        t.names["arch-eureka.default"] = []
        await t.add_eureka("a", configured)
        await until(lambda: len(t.eurekas["a"].eureka.sessions.pods) == 2)

    assert (before, after[503], after[404], left) == ({404: 20}, 1, 39, {"db-0"})


async def test_silent_instance_is_ejected_and_a_slow_one_is_not() -> None:
    """Given no eureka, a database that never answers, and one whose answer to a call takes too long, when
    calls time out, then the first one is ejected, and the second one stays: it answers the probe.
    """
    configured = configuration(tier("front", "monolith", "db"), tier("db", "store", count=2))
    slow = '{"serviceTime":{"constant":{"microseconds":600000}}}'
    async with loopback_cluster() as t:
        await t.add_eureka("a", configured)
        await t.add("db-0", "db", "store", SPIKO_BEHAVIOR=slow)
        silent = t.settings("db-1", "db", "store")
        # The kernel accepts connections, as for a stopped process.
        listening = socket.create_server((silent.address, silent.port))
        front = await t.add("front-0", "front", "monolith")
        await until(lambda: len(front.tier.routes.instances) == 1)
        registry = t.eurekas["a"].eureka.registry
        hello = replace(registry.entries.known["db-0"], id="db-1", name="db-1", address=silent.address)
        t.eurekas["a"].eureka.perform(registry.hello(0, hello, time.monotonic()))
        await until(lambda: len(front.tier.routes.instances) == 2)
        await t.stop("eureka-a")
        t.names["arch-eureka-a.default"] = t.names["arch-eureka.default"] = []
        asked = (ask(front, "GET", "/k/x", headers="spiko-deadline-ms: 300\r\n") for _ in range(20))
        statuses = {reply.status for reply in await asyncio.gather(*asked)}
        await until(lambda: set(front.tier.routes.instances) == {"db-0"})
        await asyncio.sleep(1.0)
        listening.close()

    assert ({504}, {"db-0"}) == (statuses, set(front.tier.routes.instances))


async def test_source_reports_to_another_region_while_its_own_one_is_lost() -> None:
    """Given a source outside any region, when the eureka at home ends, then its calls are reported to the
    eureka of the other region.
    """
    places = (Place("r", "a", 1), Place("s", "a", 1))
    versions = (VersionConfig("1.0.0", 1, places),)
    nowhere = (Place(ANYWHERE, ANYWHERE, 1),)
    tiers = (
        TierConfig("db", "store", (), places, versions),
        TierConfig("www", "denominator", ("db",), nowhere, (VersionConfig("1.0.0", 1, nowhere),), 50),
    )
    regions = (Zones("r", ("a",)), Zones("s", ("a",)))
    configured = Configuration("arch", Revision(0, 1), regions, tiers, started=True)
    async with loopback_cluster() as t:
        await t.add_eureka("a", configured)
        other = await t.add_eureka("b", configured, SPIKO_REGION="s")
        await t.add("db-r", "db", "store")
        await t.add("db-s", "db", "store", SPIKO_REGION="s", SPIKO_ZONE="b")
        www = await t.add(
            "www",
            "www",
            "denominator",
            SPIKO_REGION=ANYWHERE,
            SPIKO_ZONE=ANYWHERE,
            SPIKO_EUREKA_REGION="r",
            SPIKO_EUREKA="arch-eureka-a,arch-eureka",
        )
        await until(lambda: {i.region for i in www.tier.routes.instances.values()} == {"r", "s"})
        assert not other.eureka.totals.totals()["edges"]
        await t.stop("eureka-a")
        t.names["arch-eureka.default"].pop(0)
        await until(lambda: bool(other.eureka.totals.totals()["edges"]))

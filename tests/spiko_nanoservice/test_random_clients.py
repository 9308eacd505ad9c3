"""Hostile clients attack eurekas and pods of tiers in one process, which serve requests meanwhile."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from spiko_nanoservice.contract import EUREKA_PORT
from spiko_nanoservice.wire.internal_errors import internal_errors
from tests.support.hostile_clients import HostileClients, Loot, Target
from tests.support.keys import KEYS
from tests.support.loopback_cluster import LoopbackCluster, configuration, loopback_cluster, tier, until

SECONDS = 3.0
CHAIN = configuration(
    tier("www", "denominator", "front", rate=100),
    tier("front", "monolith", "db"),
    tier("db", "store"),
    started=True,
)


async def start(t: LoopbackCluster) -> None:
    """Start a eureka, and a source that sends requests through another tier to a store."""
    await t.add_eureka("a", CHAIN)
    await t.add("db-0", "db", "store")
    front = await t.add("front-0", "front", "monolith")
    await until(lambda: front.tier.routes.has_route)
    await t.add("www-0", "www", "denominator")
    await until(lambda: calls(t)[0] > 0)


def calls(t: LoopbackCluster) -> tuple[int, dict[str, int]]:
    """Return the calls of the source, and its errors by cause."""
    for edge in t.eurekas["a"].eureka.totals.totals()["edges"]:
        if edge["from"][0] == "www":
            return edge["ok"] + edge["miss"] + sum(edge["errors"].values()), edge["errors"]
    return 0, {}


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, Random().randrange(10**6)], ids=["seed 1", "another seed"])
async def test_random_hostile_clients_cause_no_error(seed: int) -> None:
    """Given a source with 100 requests/s, when hostile clients attack, then it sees no error, no part has an
    unexpected one, and no connection or unfinished request is left.
    """
    print("seed", seed)
    unexpected = internal_errors.total
    async with loopback_cluster() as t:
        await start(t)
        (eureka,) = t.names["arch-eureka-a.default"]
        targets = [Target(pod.settings.address, pod.port) for pod in t.pods.values()]
        hellos = t.eurekas["a"].eureka.registry.entries.own_hellos()
        loot = Loot(KEYS, list(hellos))
        clients = HostileClients(seed, [*targets, *[Target(eureka, EUREKA_PORT)] * 3], loot)
        before = calls(t)[0]
        await clients.run(SECONDS)
        await asyncio.sleep(1.5)  # the last reports of two parts that report once a second
        after, errors = calls(t)
        servers = [pod.server for pod in t.pods.values()]

        assert {} == errors
        assert after - before > 80 * SECONDS
        assert (0, 0) == (clients.admitted, clients.welcomed)
        assert internal_errors.total == unexpected
        assert sum(clients.done.values()) > 100
        await until(lambda: all(server.limits.held == 0 for server in servers))

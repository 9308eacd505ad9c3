"""Two regions, one of which is lost: callers of the other one recover, and find it again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.architectures import architecture, service
from tests.support.local_cluster import Cluster, local_cluster
from tests.support.totals import total_calls, total_errors

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(300), pytest.mark.built_in]
REGION = "topology.kubernetes.io/region"
RECOVERED_S = 5.0
REPORTED_S = 1.0  # pods report once a second


@pytest.fixture(scope="module")
def regions() -> Iterator[Cluster]:
    """A cluster with three nodes in each of two regions."""
    with local_cluster("--nodes", "kind-config-two-regions.yaml") as made:
        yield made


def two_regions() -> dict[str, Any]:
    """Return a shop in two regions with one source outside them."""
    return architecture(
        "shop",
        service("db", "store", 2, regions=2),
        service("web", "monolith", 3, "db", regions=2),
        service("lb", "elb", 0, "web", regions=2),
        service("www", "denominator", 0, "lb", regions=0, load={"ratePerSecond": 100}),
    )


def nodes_by_region(cluster: Cluster) -> dict[str, list[str]]:
    """Return the nodes of each region."""
    found: dict[str, list[str]] = {}
    for node in cluster.items("nodes"):
        if REGION in node["metadata"]["labels"]:
            found.setdefault(node["metadata"]["labels"][REGION], []).append(node["metadata"]["name"])
    return found


def served_in(cluster: Cluster, region: str) -> int:
    """Return how many calls of load balancers the web servers of a region have answered."""
    pods = cluster.items("pods", "default", f"spiko.dev/tier=eureka,spiko.dev/region={region}")
    return total_calls(cluster, "default", "lb", pods)


def test_callers_leave_a_lost_region_and_find_it_again(regions: Cluster) -> None:
    """Given a source that calls two regions, when all nodes of the other one are switched off, then 5 s later
    no request fails any more; when they are switched on, the region serves again, without errors.
    """
    regions.apply(two_regions())
    regions.until_settled("shop", seconds=60)
    nodes = nodes_by_region(regions)
    (source,) = regions.items("pods", "default", "spiko.dev/tier=www")
    kept, lost = sorted(nodes, key=lambda region: source["spec"]["nodeName"] not in nodes[region])
    regions.until("both regions serve", lambda: all(served_in(regions, region) > 20 for region in nodes))
    living = regions.items("pods", "default", f"spiko.dev/tier=eureka,spiko.dev/region={kept}")

    for node in nodes[lost]:
        regions.spiko("node", "stop", node)
    time.sleep(RECOVERED_S + REPORTED_S)
    errors = total_errors(regions, "default", living)
    calls = total_calls(regions, "default", "www", living)
    time.sleep(RECOVERED_S)
    assert total_errors(regions, "default", living) == errors
    assert total_calls(regions, "default", "www", living) - calls >= 50 * RECOVERED_S

    for node in nodes[lost]:
        regions.spiko("node", "start", node)
    regions.until_settled("shop", seconds=90)
    before = served_in(regions, lost)
    regions.until(f"{lost} serves again", lambda: served_in(regions, lost) > before + 50)
    errors = total_errors(regions, "default")
    time.sleep(RECOVERED_S)
    assert total_errors(regions, "default") == errors

"""Topologies: chosen once, extended by the spec, and reported in ZonesLabeled."""

from __future__ import annotations

from spiko_operator.plan.topology import REGION_LABEL, ZONE_LABEL
from tests.support.fake_api_server import FakeCluster
from tests.support.settled_shop import Object, running, shop, templates


def zones(cluster: FakeCluster) -> tuple[str, str]:
    """Return status and reason of the condition ZonesLabeled."""
    found = cluster.condition("shop", "ZonesLabeled")
    return found["status"], found["reason"]


def regions(cluster: FakeCluster) -> list[Object]:
    """Return the topology in the status."""
    found: list[Object] = cluster.objects["Architecture", "shop"]["status"]["regions"]
    return found


def test_topology_is_chosen_once_and_only_grows() -> None:
    """Given nodes that are added and removed, then no pod moves; a second region is appended, logical without
    labeled nodes.
    """
    cluster = running()
    before = templates(cluster)
    cluster._nodes = [{}]
    cluster.settle("shop")
    assert before == templates(cluster)
    assert ("False", "ZonesWithoutNodes") == zones(cluster)

    wider = shop()
    wider["spec"]["services"][0]["regions"] = 2
    cluster.put(wider)
    cluster.settle("shop")

    assert before.items() <= {n: t for n, t in templates(cluster).items() if n in before}.items()
    assert {"shop-db-1-0-0-z3", "shop-db-1-0-0-z4"} <= set(templates(cluster))
    assert ("False", "LogicalZones") == zones(cluster)


def test_regions_are_used_when_a_tier_needs_them() -> None:
    """Given nodes of two regions, then a tier of one region has eurekas in that region only; a tier of two
    uses the zones of the other one.
    """
    both = [{REGION_LABEL: region, ZONE_LABEL: f"{region}{z}"} for region in "rs" for z in "ab"]
    cluster = FakeCluster(both)
    cluster.put(shop())
    cluster.settle("shop")
    before = templates(cluster)
    assert ["ra", "rb"] == [zone for region in regions(cluster) for zone in region["zones"]]
    assert ("True", "Labeled") == zones(cluster)

    wider = shop()
    wider["spec"]["services"][0]["regions"] = 2
    cluster.put(wider)
    cluster.settle("shop")
    assert ["ra", "rb", "sa", "sb"] == [zone for region in regions(cluster) for zone in region["zones"]]
    assert before.items() <= templates(cluster).items()
    assert ("True", "Labeled") == zones(cluster)


def test_new_zones_are_reported_and_used_when_the_spec_names_them() -> None:
    """Given a new zone of nodes, then no pod moves; the condition reports it, and the spec can add it."""
    cluster = running()
    cluster._nodes = [*cluster._nodes, {REGION_LABEL: "r", ZONE_LABEL: "rd"}]
    before = templates(cluster)
    cluster.settle("shop")
    assert before == templates(cluster)
    assert ("True", "MoreZones") == zones(cluster)

    named = shop()
    named["spec"]["topology"] = {"regions": [{"name": "r", "zones": ["ra", "rd"]}]}
    cluster.put(named)
    cluster.settle("shop")
    assert ["ra", "rb", "rc", "rd"] == regions(cluster)[0]["zones"]
    assert ("True", "Labeled") == zones(cluster)


def test_zones_without_nodes_are_reported() -> None:
    """Given a spec with zones that no node has, then the condition reports that their pods stay Pending."""
    cluster = FakeCluster()
    named = shop()
    named["spec"]["topology"] = {"regions": [{"name": "r", "zones": ["ra", "typo"]}]}
    cluster.put(named)
    cluster.settle("shop")

    assert ("False", "ZonesWithoutNodes") == zones(cluster)
    assert "typo" in cluster.condition("shop", "ZonesLabeled")["message"]


def test_lost_state_and_annotations_are_reported() -> None:
    """Given a lost state and lost annotations, then zones are chosen again, and the condition reports it."""
    cluster = running()
    del cluster.objects["ConfigMap", "shop-state"]
    for body in cluster.objects.values():
        body["metadata"].get("annotations", {}).pop("spiko.dev/topology", None)
    cluster.settle("shop")

    assert "zones were reassigned" in cluster.condition("shop", "ZonesLabeled")["message"]

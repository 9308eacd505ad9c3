"""Topologies: chosen once, extended by the spec, and reported in ZonesLabeled."""

from __future__ import annotations

import pytest

from spiko_operator.plan.nodes import CORDON, Node, Taint, read_node
from spiko_operator.plan.topology import REGION_LABEL, ZONE_LABEL
from tests.support.fake_api_server import FakeCluster
from tests.support.settled_shop import Object, running, shop, templates

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def node(zone: str, *taints: Object, **spec: object) -> Node:
    """Return a node of the region r, as the operator reads it."""
    labels = {REGION_LABEL: "r", ZONE_LABEL: zone}
    return read_node({"metadata": {"labels": labels}, "spec": {"taints": list(taints), **spec}})


def taint(key: str, effect: str = "NoSchedule", value: str | None = None) -> Object:
    """Return a taint."""
    return {"key": key, "effect": effect} | ({"value": value} if value is not None else {})


def tolerating(*tolerations: Object) -> Object:
    """Return an Architecture whose pods have tolerations."""
    body = shop()
    body["spec"]["runtime"] = {"tolerations": list(tolerations)}
    return body


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
    cluster.nodes = [{}]
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
    cluster.nodes = [*cluster.nodes, {REGION_LABEL: "r", ZONE_LABEL: "rd"}]
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


def test_the_zone_of_a_tainted_control_plane_is_not_chosen() -> None:
    """Given a control plane with a zone of its own, then no pod is placed there, and the condition does not
    offer that zone either.
    """
    workers = [node("ra"), node("rb")]
    cluster = FakeCluster([*workers, node("rd", taint(CONTROL_PLANE))])
    cluster.put(shop())
    cluster.settle("shop")

    assert ["ra", "rb"] == regions(cluster)[0]["zones"]
    assert ("True", "Labeled") == zones(cluster)


@pytest.mark.parametrize(
    "closed",
    [
        node("rd", unschedulable=True),
        node("rd", taint(CORDON), unschedulable=True),
        node("rd", taint("dedicated", "NoExecute", "db")),
    ],
    ids=["cordoned a moment ago", "cordoned", "tainted"],
)
def test_closed_nodes_do_not_count_when_zones_are_chosen(closed: Node) -> None:
    """Given a zone whose only node is closed, then it is not chosen; with a second, open node it is."""
    for others, expected in (([node("ra")], ["ra"]), ([node("ra"), node("rd")], ["ra", "rd"])):
        cluster = FakeCluster([*others, closed])
        cluster.put(shop())
        cluster.settle("shop")

        assert expected == regions(cluster)[0]["zones"]
        assert ("True", "Labeled") == zones(cluster)


@pytest.mark.parametrize(
    "open_",
    [
        node("rd", taint("soft", "PreferNoSchedule")),
        node("rd", taint("node.kubernetes.io/not-ready"), taint("node.kubernetes.io/not-ready", "NoExecute")),
        node("rd", taint("node.kubernetes.io/unreachable", "NoExecute")),
        node("rd", taint("node.kubernetes.io/disk-pressure")),
    ],
    ids=["preference", "not ready", "unreachable", "disk pressure"],
)
def test_taints_that_pass_or_only_advise_close_no_zone(open_: Node) -> None:
    """Given a taint that Kubernetes removes by itself, or that is a preference, then the zone is chosen."""
    cluster = FakeCluster([node("ra"), open_])
    cluster.put(shop())
    cluster.settle("shop")

    assert ["ra", "rd"] == regions(cluster)[0]["zones"]


@pytest.mark.parametrize(
    ("toleration", "chosen"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "team", "operator": "Exists"}, True),
        ({"key": "team", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "team", "value": "blue"}, True),
        ({"key": "team", "operator": "Equal", "value": "blue", "effect": "NoSchedule"}, True),
        ({"key": "team", "value": "red"}, False),
        ({"key": "team"}, False),
        ({"key": "team", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_each_architecture_counts_the_nodes_that_it_tolerates(toleration: Object, chosen: bool) -> None:
    """Given a tainted node and an Architecture with a toleration, then the zone is chosen exactly if the
    scheduler would place its pods there.
    """
    cluster = FakeCluster([node("ra"), node("rd", taint("team", value="blue"))])
    cluster.put(tolerating(toleration))
    cluster.settle("shop")

    assert chosen == ("rd" in regions(cluster)[0]["zones"])


def test_a_zone_that_is_cordoned_later_moves_no_pod_and_keeps_the_condition_true() -> None:
    """Given a running Architecture, when all nodes of a zone are cordoned or tainted, then no pod moves and
    ZonesLabeled stays True: it names the zones, and why their new pods stay Pending.
    """
    cluster = running()
    before, since = templates(cluster), cluster.condition("shop", "ZonesLabeled")["lastTransitionTime"]
    cluster.nodes = [node("ra"), node("rb", unschedulable=True), node("rc", taint("gpu", value="a100"))]
    cluster.settle("shop")

    assert before == templates(cluster)
    assert ("True", "ZonesUnschedulable") == zones(cluster)
    assert since == cluster.condition("shop", "ZonesLabeled")["lastTransitionTime"]
    assert cluster.condition("shop", "ZonesLabeled")["message"].endswith(
        "new pods of these zones stay Pending: rb (cordoned), rc (gpu=a100:NoSchedule)"
    )
    assert [("Normal", "ZonesUnschedulable")] == [(event.type, event.reason) for event in cluster.events]

    cluster.nodes = [node("ra"), node("rb"), node("rb", unschedulable=True), node("rc")]
    cluster.settle("shop")
    assert ("True", "Labeled") == zones(cluster)


def test_a_new_region_is_not_taken_from_closed_nodes() -> None:
    """Given nodes of a second region that are all tainted, when a tier needs a second region, then that
    region is logical.
    """
    second = Node({REGION_LABEL: "s", ZONE_LABEL: "sa"}, (Taint(CONTROL_PLANE, "NoSchedule"),))
    cluster = running()
    cluster.nodes = [*cluster.nodes, second]
    wider = shop()
    wider["spec"]["services"][0]["regions"] = 2
    cluster.put(wider)
    cluster.settle("shop")

    assert ["r", "us-east-1"] == [region["name"] for region in regions(cluster)]
    assert ("False", "LogicalZones") == zones(cluster)


def test_only_closed_nodes_are_reported_with_logical_zones() -> None:
    """Given labels on closed nodes only, then zones are logical, and the condition says why."""
    cluster = FakeCluster([node("rd", taint(CONTROL_PLANE)), Node()])
    cluster.put(shop())
    cluster.settle("shop")

    assert ("False", "LogicalZones") == zones(cluster)
    assert cluster.condition("shop", "ZonesLabeled")["message"].startswith("all labeled nodes are cordoned")

    tainted = Node(taints=(Taint(CONTROL_PLANE, "NoSchedule"),))
    cluster.nodes = [tainted, Node()]
    cluster.settle("shop")
    assert cluster.condition("shop", "ZonesLabeled")["message"].startswith("no node is labeled")

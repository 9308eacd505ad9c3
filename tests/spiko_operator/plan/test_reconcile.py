"""Rounds: what is made, changed, deleted and left alone; and that a round cut off at any write ends the same."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from spiko_operator.plan.actions import SetStatus
from spiko_operator.plan.state import from_data, to_data
from spiko_operator.plan.status import EurekaReport
from spiko_operator.plan.topology import REGION_LABEL, ZONE_LABEL
from tests.support.fake_api_server import Cut, FakeCluster

Object = dict[str, Any]


def shop(scale: int = 100, weights: tuple[int, int] | None = None, **web: Any) -> Object:
    """An Architecture."""
    services: list[Object] = [
        {"name": "db", "package": "store", "count": 2, "regions": 1, "dependencies": []},
        {"name": "web", "package": "monolith", "count": 4, "regions": 1, "dependencies": ["db"], **web},
        {"name": "www", "package": "denominator", "count": 0, "regions": 0, "dependencies": ["web"]},
    ]
    if weights is not None:
        services[1]["versions"] = [{"version": "1.0.0"}, {"version": "1.1.0", "replicas": 3}]
        services[1]["routing"] = {"split": [{"version": f"1.{i}.0", "weight": w} for i, w in enumerate(weights)]}
    metadata = {"name": "shop"}
    spec = {"scale": scale, "services": services}
    return {"apiVersion": "spiko.dev/v1alpha1", "kind": "Architecture", "metadata": metadata, "spec": spec}


def running(body: Object | None = None) -> FakeCluster:
    """A cluster with the architecture settled."""
    cluster = FakeCluster()
    cluster.put(body or shop())
    cluster.settle("shop")
    cluster.log.clear()
    cluster.events.clear()
    return cluster


def templates(cluster: FakeCluster) -> dict[str, Any]:
    """Pod templates by Deployment."""
    return {
        name: copy.deepcopy(body["spec"]["template"])
        for (kind, name), body in cluster.objects.items()
        if kind == "Deployment"
    }


def test_the_first_round_makes_the_memory_first_and_everything_once() -> None:
    """ConfigMap, then the registry, then tiers: one Deployment per version and place, one Service and budget per tier."""
    cluster = FakeCluster()
    cluster.put(shop())
    cluster.settle("shop")
    kinds = [entry.split()[1].split("/")[0] for entry in cluster.log if entry.startswith("create")]

    assert cluster.log[0] == "create ConfigMap/shop-state"
    assert {k: kinds.count(k) for k in set(kinds)} == {
        "Deployment": 3 + 2 + 3 + 1,
        "Service": 4 + 3,
        "PodDisruptionBudget": 4,
        "ConfigMap": 1,
    }
    assert cluster.condition("shop", "Ready")["status"] == "True"


def test_at_rest_nothing_is_written() -> None:
    """A round over a settled architecture has no action."""
    assert running().reconcile("shop") == []


@pytest.mark.parametrize("step", range(40))
def test_killed_at_any_write_the_end_is_the_same(step: int) -> None:
    """Given an operator that dies after any write of any change, when the next one begins, then the end state is that of an undisturbed run."""
    changes = [shop(), shop(scale=300, weights=(90, 10)), shop(weights=(0, 100)), shop()]
    undisturbed, disturbed = FakeCluster(), FakeCluster()
    for change in changes:
        for cluster in (undisturbed, disturbed):
            cluster.put(change)
        undisturbed.settle("shop")
        disturbed.writes_left = step
        try:
            disturbed.settle("shop")
        except Cut:
            disturbed.writes_left = None
            disturbed.settle("shop")
        disturbed.writes_left = None

    assert undisturbed.summary() == disturbed.summary()
    assert sorted(set(undisturbed.log)) == sorted(set(disturbed.log))


def test_weights_rates_and_dependencies_change_no_template() -> None:
    """They reach pods through eureka: a new configuration revision and not one pod template."""
    cluster = running(shop(weights=(100, 0)))
    before = templates(cluster)
    changed = shop(weights=(50, 50))
    changed["spec"]["services"][2] |= {"load": {"ratePerSecond": 7}, "dependencies": ["web", "db"]}
    cluster.put(changed)
    cluster.settle("shop")

    assert before == templates(cluster)
    assert [entry for entry in cluster.log if "Architecture" not in entry] == ["update ConfigMap/shop-state"]
    assert cluster.round is not None
    assert cluster.round.configuration is not None
    web = next(t for t in cluster.round.configuration.tiers if t.name == "web")
    assert [v.weight for v in web.versions] == [50, 50]


def test_chaos_is_no_part_of_a_template_and_its_status_is_left_alone() -> None:
    """Given a status of the monkey's, when its settings change, then no pod template does, and the reconciler writes the rest of the status only."""
    cluster = running()
    before = templates(cluster)
    cluster.objects["Architecture", "shop"]["status"]["chaos"] = {"kills": 3, "mode": "Enforce"}
    for mean in (9, 90):
        changed = shop()
        changed["spec"] |= {"victim": "web", "chaos": {"monkey": {"mode": "Enforce", "meanSeconds": mean}}}
        cluster.put(changed)
        cluster.settle("shop")

        assert before == templates(cluster)
        assert {"kills": 3, "mode": "Enforce"} == cluster.objects["Architecture", "shop"]["status"]["chaos"]
        assert ["update ConfigMap/shop-state"] == cluster.log
        cluster.log.clear()


def test_a_monkey_without_a_victim_is_not_accepted() -> None:
    """The last accepted spec stays in force, and the condition names field and way out."""
    cluster = running()
    changed = shop()
    changed["spec"]["chaos"] = {"monkey": {"mode": "DryRun"}}
    cluster.put(changed)
    cluster.settle("shop")
    condition = cluster.condition("shop", "Accepted")

    assert ("False", "MonkeyWithoutVictim") == (condition["status"], condition["reason"])
    assert "spec.chaos.monkey.mode: spec.victim names no tier; Name a tier in spec.victim" in condition["message"]


def test_an_operator_upgrade_restarts_no_tier() -> None:
    """Another default image touches eurekas only, one zone at a time, the next when the last is available."""
    cluster = running()
    before = {n: t for n, t in templates(cluster).items() if "eureka" not in n}
    seen = cluster.seen

    def upgraded(name: str) -> Any:
        from dataclasses import replace

        return replace(seen(name), image="spiko/nanoservice:2")

    cluster.seen = upgraded  # type: ignore[method-assign]
    touched = []
    for _ in range(3):
        cluster.log.clear()
        cluster.reconcile("shop")
        touched.append([e for e in cluster.log if "Deployment" in e])
        cluster.get_ready()

    assert [[f"update Deployment/shop-eureka-z{i}"] for i in range(3)] == touched
    assert before == {n: t for n, t in templates(cluster).items() if "eureka" not in n}


def test_a_changed_runtime_is_a_rolling_update_of_everything() -> None:
    """spec.runtime is the user's word."""
    cluster = running()
    changed = shop()
    changed["spec"]["runtime"] = {"image": "mine/spiko/nanoservice:3"}
    cluster.put(changed)
    cluster.settle("shop")

    images = {t["spec"]["containers"][0]["image"] for n, t in templates(cluster).items() if "eureka" not in n}
    assert {"mine/spiko/nanoservice:3"} == images


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"victim": "x"}, "UnknownVictim"),
        (
            {"services": [{"name": "db", "package": "riak", "count": 1, "regions": 1, "dependencies": ["x"]}]},
            "UnknownDependency",
        ),
        ({"services": "nonsense"}, "Invalid"),
    ],
)
def test_a_spec_that_is_not_accepted_changes_nothing(change: Object, reason: str) -> None:
    """The last accepted spec stays in force, drift is repaired to it, and the condition says why."""
    cluster = running()
    before = cluster.summary()
    bad = shop()
    bad["spec"] |= change
    cluster.put(bad)
    del cluster.objects["Service", "shop-db"]
    cluster.settle("shop")

    after = cluster.summary()
    assert {k: v for k, v in before.items() if k[0] != "Architecture"} == {
        k: v for k, v in after.items() if k[0] != "Architecture"
    }
    assert ("False", reason) == (
        cluster.condition("shop", "Accepted")["status"],
        cluster.condition("shop", "Accepted")["reason"],
    )
    assert cluster.log == ["create Service/shop-db"]


def test_an_accepted_spec_that_this_release_does_not_take_touches_nothing() -> None:
    """A release may be stricter than the one that accepted it: what runs goes on, and the condition says why."""
    cluster = running()
    body = shop()
    body["spec"]["telemetry"] = {"otlpEndpoint": "http://otel:99999"}
    state = cluster.objects["ConfigMap", "shop-state"]
    state["data"] = to_data(replace(from_data(state["data"]), accepted=body["spec"]))
    before = templates(cluster)
    cluster.put(body)
    cluster.settle("shop")

    assert before == templates(cluster)
    accepted = cluster.condition("shop", "Accepted")
    assert ("False", "Invalid") == (accepted["status"], accepted["reason"])
    assert accepted["message"].startswith("the last accepted spec stays in effect: ")


def test_a_version_that_comes_back_otherwise_is_refused() -> None:
    """Removing a version and adding it with other content takes two edits that CEL sees apart; the memory does not."""
    cluster = running(shop(weights=(100, 0)))
    cluster.put(shop())
    cluster.settle("shop")
    other = shop(weights=(100, 0))
    other["spec"]["services"][1]["versions"][1]["behavior"] = {"errorsPerMillion": 1}
    cluster.put(other)
    cluster.settle("shop")

    assert cluster.condition("shop", "Accepted")["reason"] == "VersionConflict"
    assert not [key for key in cluster.objects if "1-1-0" in key[1]]


def test_topology_is_chosen_once_and_only_grows() -> None:
    """Nodes that come and go re-plan nobody; a second region is appended, logical if no node carries it."""
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


def zones(cluster: FakeCluster) -> tuple[str, str]:
    """Status and reason of the condition on zones."""
    found = cluster.condition("shop", "ZonesLabeled")
    return found["status"], found["reason"]


def test_regions_that_no_tier_reaches_are_left_alone_until_one_does() -> None:
    """Given nodes of two regions, a tier of one region has eurekas in that one; one of two regions takes the other's real zones."""
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


def regions(cluster: FakeCluster) -> list[Object]:
    """The topology in the status."""
    found: list[Object] = cluster.objects["Architecture", "shop"]["status"]["regions"]
    return found


def test_zones_that_nodes_have_got_since_are_told_and_used_when_the_spec_names_them() -> None:
    """A new zone re-plans nobody by itself."""
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


def test_a_spec_that_names_zones_without_nodes_is_told_so() -> None:
    """Their pods would wait for ever without a word."""
    cluster = FakeCluster()
    named = shop()
    named["spec"]["topology"] = {"regions": [{"name": "r", "zones": ["ra", "typo"]}]}
    cluster.put(named)
    cluster.settle("shop")

    assert ("False", "ZonesWithoutNodes") == zones(cluster)
    assert "typo" in cluster.condition("shop", "ZonesLabeled")["message"]


def test_an_eureka_that_does_not_come_up_may_get_what_mends_it() -> None:
    """Given a bad image that has reached the first zone, the next image goes there too, and to the others when it is up."""
    cluster = running()
    for image, expected in (("bad", {"z0": "bad"}), ("good", {"z0": "good"})):
        cluster.image = f"spiko/nanoservice:{image}"
        for _ in range(3):
            cluster.reconcile("shop")
        found = {
            name.rpartition("-")[2]: template["spec"]["containers"][0]["image"].rpartition(":")[2]
            for name, template in templates(cluster).items()
            if "eureka" in name
        }
        assert expected == {zone: version for zone, version in found.items() if version != "1"}
    for _ in "abc":
        cluster.get_ready()
        cluster.settle("shop")
    assert {"good"} == {
        template["spec"]["containers"][0]["image"].rpartition(":")[2]
        for name, template in templates(cluster).items()
        if "eureka" in name
    }


def test_memory_and_copies_lost_is_told() -> None:
    """Zones are chosen anew, which may move pods: a condition says so."""
    cluster = running()
    del cluster.objects["ConfigMap", "shop-state"]
    for body in cluster.objects.values():
        body["metadata"].get("annotations", {}).pop("spiko.dev/topology", None)
    cluster.settle("shop")

    assert "zones were reassigned" in cluster.condition("shop", "ZonesLabeled")["message"]


def test_a_lost_memory_is_made_again_from_what_runs() -> None:
    """The topology is read back from any Deployment; the revision is higher than any that the eurekas may hold; no pod restarts."""
    cluster = running()
    before = templates(cluster)
    cluster._nodes = []
    del cluster.objects["ConfigMap", "shop-state"]
    cluster.settle("shop")

    assert before == templates(cluster)
    assert cluster.round is not None
    assert cluster.round.configuration is not None
    assert cluster.round.configuration.revision.counter > 1_000_000


def test_names_of_others_are_left_alone_and_those_of_the_dead_are_waited_for() -> None:
    """A living owner's object: NameTaken, nothing is made. One whose owner is gone: the collector is waited for."""
    for living, reason in ((True, "NameTaken"), (False, "Valid")):
        cluster = FakeCluster()
        owner = {"kind": "Architecture", "name": "old", "uid": "uid-old", "controller": True}
        cluster.put({"kind": "Service", "metadata": {"name": "shop-db", "ownerReferences": [owner]}, "spec": {}})
        if living:
            cluster.living.add("uid-old")
        cluster.put(shop())
        cluster.reconcile("shop")

        assert {"Service", "Architecture"} == {kind for kind, _ in cluster.objects}
        assert reason == cluster.condition("shop", "Accepted")["reason"]


def test_what_the_collector_has_forgotten_is_deleted() -> None:
    """A namesake that is gone has left its objects: for ten seconds the collector is waited for, then they go, and the new one comes up."""
    cluster = running()
    gone = cluster.objects["Architecture", "shop"]["metadata"]["uid"]
    cluster.living.remove(gone)
    del cluster.objects["Architecture", "shop"]
    fresh = shop()
    fresh["metadata"]["creationTimestamp"] = "2025-12-31T23:59:55Z"
    cluster.put(fresh)
    left = set(cluster.objects)
    cluster.reconcile("shop")
    assert left == set(cluster.objects)

    cluster.objects["Architecture", "shop"]["metadata"]["creationTimestamp"] = "2025-12-31T23:59:50Z"
    cluster.settle("shop")
    owners = {o["uid"] for body in cluster.objects.values() for o in body["metadata"].get("ownerReferences", ())}

    assert owners == {cluster.objects["Architecture", "shop"]["metadata"]["uid"]} != {gone}
    assert left == set(cluster.objects)


def test_a_stale_status_is_not_ready() -> None:
    """Ready needs Deployments whose status is about their present generation."""
    cluster = running()
    cluster.put(shop(scale=200))
    cluster.reconcile("shop")
    cluster.reconcile("shop")

    assert cluster.condition("shop", "Ready")["status"] == "False"


def test_programmed_needs_every_eureka_and_every_pod() -> None:
    """One eureka behind, or one pod that has not acknowledged, and it is False."""
    cluster = running()
    for _ in range(2):  # the first time that everybody knows is the start, which is configuration again
        assert cluster.round is not None
        assert cluster.round.configuration is not None
        now = str(cluster.round.configuration.revision)
        cluster.heard = (EurekaReport(now, 3, 3),) * 3
        cluster.reconcile("shop")
    for heard, expected in (
        ((EurekaReport(now, 3, 3),) * 3, "True"),
        ((EurekaReport(now, 3, 3), EurekaReport(now, 3, 2), EurekaReport(now, 3, 3)), "False"),
        ((EurekaReport(now, 3, 3),) * 2, "False"),
        ((EurekaReport(now, 2, 2),) * 3, "False"),
        ((EurekaReport(now, 3, 3, complete=False), *(EurekaReport(now, 3, 3),) * 2), "False"),
        ((EurekaReport(now, 3, 3, complete=False), *(EurekaReport(now, 3, 3),) * 2), "False"),
        ((EurekaReport("0.0", 3, 3), *(EurekaReport(now, 3, 3),) * 2), "False"),
    ):
        cluster.heard = heard
        cluster.reconcile("shop")
        assert expected == cluster.condition("shop", "Programmed")["status"]


def test_transitions_move_the_time_and_nothing_else_is_written() -> None:
    """A condition that stays keeps its time; a status that would not change is not written."""
    cluster = running()
    since = cluster.condition("shop", "Ready")["lastTransitionTime"]
    actions = cluster.reconcile("shop")

    assert since == cluster.condition("shop", "Ready")["lastTransitionTime"]
    assert not [a for a in actions if isinstance(a, SetStatus)]


def test_every_object_says_it_can_be_restricted() -> None:
    """Pod Security "restricted": non-root, no escalation, no capabilities, RuntimeDefault, read-only, no token; a lost node is tolerated 5 s."""
    cluster = running()
    for template in templates(cluster).values():
        spec = template["spec"]
        (container,) = spec["containers"]
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert spec["automountServiceAccountToken"] is False
        assert {5} == {t["tolerationSeconds"] for t in spec["tolerations"]}
    assert len(json.dumps(cluster.objects["ConfigMap", "shop-state"])) < 5000

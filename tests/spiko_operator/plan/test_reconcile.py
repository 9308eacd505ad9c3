"""Reconcile passes: what is created, changed, deleted and kept, also if a pass is
interrupted at any write.
"""

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
    """Return an Architecture."""
    services: list[Object] = [
        {"name": "db", "package": "store", "count": 2, "regions": 1, "dependencies": []},
        {"name": "web", "package": "monolith", "count": 4, "regions": 1, "dependencies": ["db"], **web},
        {"name": "www", "package": "denominator", "count": 0, "regions": 0, "dependencies": ["web"]},
    ]
    if weights is not None:
        services[1]["versions"] = [{"version": "1.0.0"}, {"version": "1.1.0", "replicas": 3}]
        services[1]["routing"] = {
            "split": [{"version": f"1.{i}.0", "weight": w} for i, w in enumerate(weights)]
        }
    metadata = {"name": "shop"}
    spec = {"scale": scale, "services": services}
    return {"apiVersion": "spiko.dev/v1alpha1", "kind": "Architecture", "metadata": metadata, "spec": spec}


def running(body: Object | None = None) -> FakeCluster:
    """Return a cluster in which the architecture is Ready."""
    cluster = FakeCluster()
    cluster.put(body or shop())
    cluster.settle("shop")
    cluster.log.clear()
    cluster.events.clear()
    return cluster


def templates(cluster: FakeCluster) -> dict[str, Any]:
    """Return the pod templates by Deployment."""
    return {
        name: copy.deepcopy(body["spec"]["template"])
        for (kind, name), body in cluster.objects.items()
        if kind == "Deployment"
    }


def test_first_pass_creates_the_state_first_and_each_object_once() -> None:
    """Given a new Architecture, then the first pass creates the state, then eurekas, then a Deployment per
    version and place, and a Service and a budget per tier.
    """
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


def test_settled_architecture_has_no_actions() -> None:
    """Given a settled architecture, then a pass has no actions."""
    assert running().reconcile("shop") == []


@pytest.mark.parametrize("step", range(40))
def test_interrupted_pass_ends_in_the_same_state(step: int) -> None:
    """Given an operator that stops after any write of any change, when the next one continues, then the final
    state is that of an undisturbed run.
    """
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
    """Given changed weights, rates or dependencies, then the configuration has a new revision and no pod
    template changes.
    """
    cluster = running(shop(weights=(100, 0)))
    before = templates(cluster)
    changed = shop(weights=(50, 50))
    changed["spec"]["services"][2] |= {"load": {"ratePerSecond": 7}, "dependencies": ["web", "db"]}
    cluster.put(changed)
    cluster.settle("shop")

    assert before == templates(cluster)
    assert [entry for entry in cluster.log if "Architecture" not in entry] == ["update ConfigMap/shop-state"]
    assert cluster.last_plan is not None
    assert cluster.last_plan.configuration is not None
    web = next(t for t in cluster.last_plan.configuration.tiers if t.name == "web")
    assert [v.weight for v in web.versions] == [50, 50]


def test_chaos_changes_no_template_and_keeps_its_status() -> None:
    """Given a status of the monkey, when its settings change, then no pod template changes and `status.chaos`
    stays.
    """
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
    """Given a monkey without a victim, then the last accepted spec stays in effect, and the condition has
    field and remedy.
    """
    cluster = running()
    changed = shop()
    changed["spec"]["chaos"] = {"monkey": {"mode": "DryRun"}}
    cluster.put(changed)
    cluster.settle("shop")
    condition = cluster.condition("shop", "Accepted")

    assert ("False", "MonkeyWithoutVictim") == (condition["status"], condition["reason"])
    assert (
        "spec.chaos.monkey.mode: the monkey is switched on without spec.victim; Set spec.victim to a tier"
        in condition["message"]
    )


def test_an_operator_upgrade_restarts_no_tier() -> None:
    """Given another default image, then only eurekas change, one zone at a time, each after the previous one
    is available.
    """
    cluster = running()
    before = {n: t for n, t in templates(cluster).items() if "eureka" not in n}
    observe = cluster.observe

    def upgraded(name: str) -> Any:
        from dataclasses import replace

        return replace(observe(name), image="spiko/nanoservice:2")

    cluster.observe = upgraded  # type: ignore[method-assign]
    touched = []
    for _ in range(3):
        cluster.log.clear()
        cluster.reconcile("shop")
        touched.append([e for e in cluster.log if "Deployment" in e])
        cluster.get_ready()

    assert [[f"update Deployment/shop-eureka-z{i}"] for i in range(3)] == touched
    assert before == {n: t for n, t in templates(cluster).items() if "eureka" not in n}


def test_changed_runtime_is_a_rolling_update_of_all_pods() -> None:
    """Given a changed spec.runtime, then every pod template changes."""
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
            {
                "services": [
                    {"name": "db", "package": "riak", "count": 1, "regions": 1, "dependencies": ["x"]}
                ]
            },
            "UnknownDependency",
        ),
        ({"services": "nonsense"}, "Invalid"),
    ],
)
def test_rejected_spec_keeps_the_last_accepted_one(change: Object, reason: str) -> None:
    """Given a spec that is rejected, then the last accepted one stays in effect, drift is repaired to it, and
    the condition has the reason.
    """
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


def test_accepted_spec_that_a_release_rejects_changes_nothing() -> None:
    """Given a stricter release than the one that accepted the spec, then the objects stay as they are, and
    the condition has the reason.
    """
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


def test_readded_version_with_another_identity_is_rejected() -> None:
    """Given a version that was removed, which CEL no longer sees, when it is added with another identity,
    then the state rejects it.
    """
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


def zones(cluster: FakeCluster) -> tuple[str, str]:
    """Return status and reason of the condition ZonesLabeled."""
    found = cluster.condition("shop", "ZonesLabeled")
    return found["status"], found["reason"]


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


def regions(cluster: FakeCluster) -> list[Object]:
    """Return the topology in the status."""
    found: list[Object] = cluster.objects["Architecture", "shop"]["status"]["regions"]
    return found


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


def test_broken_eureka_rollout_is_replaced_by_a_newer_template() -> None:
    """Given a bad image in the first zone, when the image changes again, then that zone gets it first, and
    the others when it is available.
    """
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


def test_lost_state_and_annotations_are_reported() -> None:
    """Given a lost state and lost annotations, then zones are chosen again, and the condition reports it."""
    cluster = running()
    del cluster.objects["ConfigMap", "shop-state"]
    for body in cluster.objects.values():
        body["metadata"].get("annotations", {}).pop("spiko.dev/topology", None)
    cluster.settle("shop")

    assert "zones were reassigned" in cluster.condition("shop", "ZonesLabeled")["message"]


def test_lost_state_is_rebuilt_from_deployments() -> None:
    """Given a lost state, then the topology is read from a Deployment, the revision is higher than that of
    any eureka, and no pod restarts.
    """
    cluster = running()
    before = templates(cluster)
    cluster._nodes = []
    del cluster.objects["ConfigMap", "shop-state"]
    cluster.settle("shop")

    assert before == templates(cluster)
    assert cluster.last_plan is not None
    assert cluster.last_plan.configuration is not None
    assert cluster.last_plan.configuration.revision.counter > 1_000_000


def test_foreign_owners_block_and_orphans_are_awaited() -> None:
    """Given an object of a live owner, then the condition has NameTaken and nothing is created; an object of
    a deleted owner is awaited.
    """
    for living, reason in ((True, "NameTaken"), (False, "Valid")):
        cluster = FakeCluster()
        owner = {"kind": "Architecture", "name": "old", "uid": "uid-old", "controller": True}
        cluster.put(
            {"kind": "Service", "metadata": {"name": "shop-db", "ownerReferences": [owner]}, "spec": {}}
        )
        if living:
            cluster.living.add("uid-old")
        cluster.put(shop())
        cluster.reconcile("shop")

        assert {"Service", "Architecture"} == {kind for kind, _ in cluster.objects}
        assert reason == cluster.condition("shop", "Accepted")["reason"]


def test_leftovers_of_a_namesake_are_deleted_after_ten_seconds() -> None:
    """Given objects of a deleted namesake, then garbage collection is awaited for 10 s; then they are
    deleted, and the Architecture starts.
    """
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
    owners = {
        o["uid"] for body in cluster.objects.values() for o in body["metadata"].get("ownerReferences", ())
    }

    assert owners == {cluster.objects["Architecture", "shop"]["metadata"]["uid"]} != {gone}
    assert left == set(cluster.objects)


def test_outdated_deployment_status_is_not_ready() -> None:
    """Given a Deployment whose status describes an earlier generation, then it counts as not ready."""
    cluster = running()
    cluster.put(shop(scale=200))
    cluster.reconcile("shop")
    cluster.reconcile("shop")

    assert cluster.condition("shop", "Ready")["status"] == "False"


def test_programmed_needs_every_eureka_and_every_pod() -> None:
    """Given an outdated eureka, or a pod that has not acknowledged, then Programmed is False."""
    cluster = running()
    for _ in range(
        2
    ):  # Once all pods have acknowledged, the architecture starts, which is a new configuration.
        assert cluster.last_plan is not None
        assert cluster.last_plan.configuration is not None
        now = str(cluster.last_plan.configuration.revision)
        cluster.reports = (EurekaReport(now, 3, 3),) * 3
        cluster.reconcile("shop")
    for reports, expected in (
        ((EurekaReport(now, 3, 3),) * 3, "True"),
        ((EurekaReport(now, 3, 3), EurekaReport(now, 3, 2), EurekaReport(now, 3, 3)), "False"),
        ((EurekaReport(now, 3, 3),) * 2, "False"),
        ((EurekaReport(now, 2, 2),) * 3, "False"),
        ((EurekaReport(now, 3, 3, complete=False), *(EurekaReport(now, 3, 3),) * 2), "False"),
        ((EurekaReport(now, 3, 3, complete=False), *(EurekaReport(now, 3, 3),) * 2), "False"),
        ((EurekaReport("0.0", 3, 3), *(EurekaReport(now, 3, 3),) * 2), "False"),
    ):
        cluster.reports = reports
        cluster.reconcile("shop")
        assert expected == cluster.condition("shop", "Programmed")["status"]


def test_transition_time_changes_with_the_status_only() -> None:
    """Given an unchanged condition, then its time stays, and an unchanged status is not written."""
    cluster = running()
    since = cluster.condition("shop", "Ready")["lastTransitionTime"]
    actions = cluster.reconcile("shop")

    assert since == cluster.condition("shop", "Ready")["lastTransitionTime"]
    assert not [a for a in actions if isinstance(a, SetStatus)]


def test_pods_satisfy_the_restricted_standard() -> None:
    """Every pod template satisfies Pod Security "restricted", has no service account token, and tolerates a
    lost node for 5 s.
    """
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

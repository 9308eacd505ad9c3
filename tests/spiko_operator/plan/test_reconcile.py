"""Reconcile passes: created, changed and kept objects, also if a pass is interrupted at any write."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from spiko_operator.plan.names import VERSION
from tests.support.fake_api_server import Cut, FakeCluster
from tests.support.settled_shop import running, shop, templates


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


def test_an_operator_upgrade_restarts_no_tier() -> None:
    """Given another default image, then only eurekas change, one zone at a time, each after the previous one
    is available.
    """
    cluster = running()
    before = {n: t for n, t in templates(cluster).items() if "eureka" not in n}
    observe = cluster.observe

    def upgraded(name: str) -> Any:

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


def test_restored_label_does_not_make_the_architecture_unready() -> None:
    """Given a Deployment that lost a label of its own, then the label is restored and Ready stays True; given
    another replica count, Ready is False.
    """
    cluster = running()
    body = copy.deepcopy(cluster.objects["Deployment", "shop-web-1-0-0-z0"])
    cluster.put(
        body | {"metadata": body["metadata"] | {"labels": body["metadata"]["labels"] | {VERSION: "9.9.9"}}}
    )
    actions = cluster.reconcile("shop")
    assert ["Apply"] == [type(action).__name__ for action in actions]
    assert cluster.condition("shop", "Ready")["status"] == "True"

    cluster.put(body | {"spec": body["spec"] | {"replicas": 7}})
    cluster.reconcile("shop")
    assert cluster.condition("shop", "Ready")["status"] == "False"

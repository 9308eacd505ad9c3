"""The effect of changes of the spec, and of objects that others change."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from tests.support.architectures import architecture, fault, service, shop
from tests.support.local_cluster import Cluster

pytestmark = pytest.mark.e2e
OWNED = "deployments,services,configmaps,poddisruptionbudgets,pods,replicasets"


def versions(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Return the resourceVersion of every owned object; equal if none was changed."""
    found = cluster.items(
        "deployments,services,configmaps,poddisruptionbudgets", namespace, "spiko.dev/architecture"
    )
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["resourceVersion"] for o in found}


def test_split_rate_and_dependencies_restart_no_pod(cluster: Cluster, namespace: str) -> None:
    """Given two versions, when weights, rate and dependencies change, then every pod keeps its UID and
    traffic follows.
    """
    both = [
        {"version": "1.0.0"},
        {"version": "1.1.0", "replicas": 3, "behavior": {"errorsPerMillion": 1000000}},
    ]
    split: Any = [{"version": "1.0.0", "weight": 100}, {"version": "1.1.0", "weight": 0}]
    cluster.apply(shop(web={"versions": both, "routing": {"split": split}}), namespace)
    cluster.until_settled("shop", namespace)
    before = cluster.uids(namespace)
    healthy = _edges(cluster, namespace)

    split = [{"version": "1.0.0", "weight": 0}, {"version": "1.1.0", "weight": 100}]
    changed = shop(rate=20, web={"versions": both, "routing": {"split": split}})
    changed["spec"]["services"][2]["dependencies"] = ["web", "db"]
    cluster.apply(changed, namespace)
    cluster.until_settled("shop", namespace)
    broken = _edges(cluster, namespace)

    assert before == cluster.uids(namespace)
    assert "lb -> web" in healthy
    assert "lb -> web@1.1.0" not in healthy
    assert {"injected"} == set(broken["lb -> web@1.1.0"]["errors"])
    assert "lb -> db" in broken
    assert 15 <= broken["www -> lb"]["requestsPerSecond"] <= 25


def _edges(cluster: Cluster, namespace: str) -> dict[str, Any]:
    rows = json.loads(cluster.spiko("top", "shop", "-n", namespace, "--once", "--json", "-t", "3").stdout)
    return {row["name"]: row for row in rows["edges"]}


def test_scale_is_a_percentage(cluster: Cluster, namespace: str) -> None:
    """Given an architecture, when it is scaled to 200 %, then every count doubles and existing pods stay; 100
    % restores it.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    before = cluster.uids(namespace)

    cluster.kubectl("scale", "arch", "shop", "-n", namespace, "--replicas=200")
    cluster.until(
        "12 pods",
        lambda: cluster.get("arch", "shop", namespace)["status"].get("summary", {}).get("pods") == "12/12",
    )
    doubled = cluster.uids(namespace)
    cluster.kubectl("scale", "arch", "shop", "-n", namespace, "--replicas=100")
    cluster.until("7 pods", lambda: len(cluster.uids(namespace)) == len(before), 60)

    assert before.items() <= doubled.items()
    assert len(doubled) == 12 + 3
    assert cluster.get("arch", "shop", namespace)["status"]["scale"] == 100


BAD = [
    pytest.param({"victim": "unknown"}, id="an unknown victim"),
    pytest.param({"services": [service("a", "store", 1, "b")]}, id="an unknown dependency"),
    pytest.param(
        {"services": [service("Web", "store", 1), service("web", "store", 1)]}, id="names that collide"
    ),
    pytest.param(
        {"services": [service("z", "karyon", 3, "lb"), service("lb", "elb", 0)]},
        id="a karyon without visible dependency",
    ),
]


@pytest.mark.parametrize("change", BAD)
def test_invalid_spec_changes_no_object(cluster: Cluster, namespace: str, change: dict[str, Any]) -> None:
    """Given a running architecture, when its spec becomes invalid, then Accepted is False within 2 s and no
    object changes; a new invalid one creates none.
    """
    cluster.apply(shop(rate=0), namespace)
    cluster.until_settled("shop", namespace)
    cluster.until("rest", lambda: _at_rest(cluster, namespace))
    before, pods = versions(cluster, namespace), cluster.uids(namespace)

    bad = shop(rate=0)
    bad["spec"] |= change
    done = cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(bad), check=False)
    fresh = architecture(
        "fresh", *bad["spec"]["services"], **{k: v for k, v in change.items() if k != "services"}
    )
    again = cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(fresh), check=False)
    if done.returncode == 0:
        cluster.until("refusal", lambda: _refused(cluster, "shop", namespace), 2.0)
    if again.returncode == 0:
        cluster.until("refusal", lambda: _refused(cluster, "fresh", namespace), 2.0)

    assert before == versions(cluster, namespace)
    assert pods == cluster.uids(namespace)
    assert cluster.condition("arch", "shop", "Ready", namespace)["status"] == "True"


def _refused(cluster: Cluster, name: str, namespace: str) -> bool:
    return bool(cluster.condition("arch", name, "Accepted", namespace).get("status") == "False")


def _at_rest(cluster: Cluster, namespace: str) -> bool:
    before = versions(cluster, namespace)
    time.sleep(0.5)
    return before == versions(cluster, namespace)


def test_a_versions_identity_cannot_change(cluster: Cluster, namespace: str) -> None:
    """Given a version, then the API server rejects another behavior, and the state rejects the version if it
    is removed and added with another one.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    edited = shop(web={"behavior": {"errorsPerMillion": 5}})
    refused = cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(edited), check=False)

    two = [{"version": "1.0.0"}, {"version": "1.1.0", "replicas": 1}]
    cluster.apply(shop(web={"versions": two}), namespace)
    cluster.until_settled("shop", namespace)
    cluster.apply(shop(web={"versions": two[:1]}), namespace)
    cluster.until_settled("shop", namespace)
    other = [two[0], {"version": "1.1.0", "replicas": 1, "behavior": {"errorsPerMillion": 5}}]
    cluster.apply(shop(web={"versions": other}), namespace)
    cluster.until(
        "refusal",
        lambda: cluster.condition("arch", "shop", "Accepted", namespace).get("reason") == "VersionConflict",
    )

    assert refused.returncode == 1
    assert "behavior is part of a version's identity" in refused.stderr


def test_drift_is_repaired(cluster: Cluster, namespace: str) -> None:
    """Given a deleted Deployment, Service, budget or state, or a changed replica count, then the operator
    restores the desired state.
    """
    cluster.apply(shop(rate=0), namespace)
    cluster.until_settled("shop", namespace)
    names = set(versions(cluster, namespace))

    cluster.kubectl(
        "delete",
        "-n",
        namespace,
        "deployment/shop-web-1-0-0-z0",
        "service/shop-db",
        "pdb/shop-web",
        "configmap/shop-state",
    )
    cluster.kubectl("scale", "-n", namespace, "deployment/shop-web-1-0-0-z1", "--replicas=5")
    cluster.until("all objects", lambda: names == set(versions(cluster, namespace)))
    cluster.until_settled("shop", namespace)

    assert cluster.get("deployment", "shop-web-1-0-0-z1", namespace)["spec"]["replicas"] == 1
    cluster.until("3 pods", lambda: len(cluster.items("pods", namespace, "spiko.dev/tier=web")) == 3)


def test_removed_label_is_restored(cluster: Cluster, namespace: str) -> None:
    """Given an object that loses the watched label, which a watch reports as deleted, then the operator
    restores the label without creating a new object.
    """
    cluster.apply(shop(rate=0), namespace)
    cluster.until_settled("shop", namespace)
    before = _labeled(cluster, namespace)
    names = ("deployment/shop-web-1-0-0-z0", "service/shop-db", "pdb/shop-web", "configmap/shop-state")
    cluster.kubectl("label", "-n", namespace, *names, "spiko.dev/architecture-")
    cluster.until("all labels", lambda: before == _labeled(cluster, namespace), 10)

    cluster.until_settled("shop", namespace)


def _labeled(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Return the UIDs of all objects with the operator's label."""
    found = cluster.items(
        "deployments,services,configmaps,poddisruptionbudgets", namespace, "spiko.dev/architecture"
    )
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["uid"] for o in found}


def test_delete_and_apply_again(cluster: Cluster, namespace: str) -> None:
    """Given a deleted architecture, when it is applied again at once, then it starts after garbage
    collection; deleted again, no object is left.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    old = set(cluster.uids(namespace).values())
    cluster.kubectl("delete", "arch", "shop", "-n", namespace, "--wait=false")
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace, 60)
    cluster.until("old pods gone", lambda: not old & set(cluster.uids(namespace).values()), 30)

    cluster.kubectl("delete", "arch", "shop", "-n", namespace)
    cluster.until("nothing left", lambda: not cluster.items(OWNED, namespace, "spiko.dev/architecture"), 30)


def test_foreign_service_is_not_adopted(cluster: Cluster, namespace: str) -> None:
    """Given a foreign Service with a needed name, then Accepted is False with NameTaken until the Service is
    deleted.
    """
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop-db"},
        "spec": {"ports": [{"port": 1}]},
    }
    cluster.apply(theirs, namespace)
    cluster.apply(shop(), namespace)
    cluster.until(
        "refusal",
        lambda: cluster.condition("arch", "shop", "Accepted", namespace).get("reason") == "NameTaken",
    )

    assert not cluster.items("deployments", namespace)
    assert cluster.get("service", "shop-db", namespace)["spec"]["ports"][0]["port"] == 1


@pytest.mark.long
def test_refused_eviction_kills_no_pod(cluster: Cluster, namespace: str) -> None:
    """Given a frozen pod that is not Ready, when another pod of its tier is to be evicted, then the budget
    refuses it, and the Fault reports that.
    """
    cluster.apply(shop(rate=0), namespace)
    cluster.until_settled("shop", namespace)
    frozen = next(pid for name, pid in cluster.pod_pids(namespace).items() if "-web-" in name)
    before = cluster.uids(namespace)
    os.kill(frozen, signal.SIGSTOP)
    try:
        cluster.until(
            "no disruption allowed",
            lambda: cluster.get("pdb", "shop-web", namespace)["status"]["disruptionsAllowed"] == 0,
        )
        cluster.apply(fault("evict", "shop", tier="web"), namespace)
        cluster.until_true("evict", "Ended", namespace, kind="fault")
    finally:
        os.kill(frozen, signal.SIGCONT)
    cluster.until_settled("shop", namespace)

    assert cluster.get("fault", "evict", namespace)["status"]["victims"][0]["state"] == "Refused"
    assert before == cluster.uids(namespace)


def test_allowed_eviction_causes_no_failed_requests(cluster: Cluster, namespace: str) -> None:
    """Given an eviction that the budget allows, then the pod deregisters before it stops, and no request
    fails.
    """
    cluster.apply(shop(rate=200), namespace)
    cluster.until_settled("shop", namespace)
    cluster.apply(fault("evict", "shop", tier="db"), namespace)
    cluster.until_true("evict", "Ended", namespace, kind="fault")
    (victim,) = cluster.get("fault", "evict", namespace)["status"]["victims"]

    assert (victim["state"], victim["failedRequests"]) == ("Killed", 0)
    assert victim["replacedMilliseconds"] > 0

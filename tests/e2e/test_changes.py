"""What a change of the spec does, and what it leaves alone."""

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
    """Everything that the operator owns, with its version: equal if nothing was touched."""
    found = cluster.items("deployments,services,configmaps,poddisruptionbudgets", namespace, "spiko.dev/architecture")
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["resourceVersion"] for o in found}


def test_split_rate_and_dependencies_restart_nobody(cluster: Cluster, namespace: str) -> None:
    """Given two versions, when weights, rate and dependencies change, then every pod keeps its UID and traffic follows."""
    both = [{"version": "1.0.0"}, {"version": "1.1.0", "replicas": 3, "behavior": {"errorsPerMillion": 1000000}}]
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
    """`kubectl scale arch --replicas=200` doubles every count; the pods that were there stay; 100 brings it back."""
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    before = cluster.uids(namespace)

    cluster.kubectl("scale", "arch", "shop", "-n", namespace, "--replicas=200")
    cluster.until(
        "12 pods", lambda: cluster.get("arch", "shop", namespace)["status"].get("summary", {}).get("pods") == "12/12"
    )
    doubled = cluster.uids(namespace)
    cluster.kubectl("scale", "arch", "shop", "-n", namespace, "--replicas=100")
    cluster.until("7 pods", lambda: len(cluster.uids(namespace)) == len(before), 60)

    assert before.items() <= doubled.items()
    assert len(doubled) == 12 + 3
    assert cluster.get("arch", "shop", namespace)["status"]["scale"] == 100


BAD = [
    pytest.param({"victim": "nobody"}, id="a victim that is no tier"),
    pytest.param({"services": [service("a", "store", 1, "b")]}, id="a dependency that is no tier"),
    pytest.param({"services": [service("Web", "store", 1), service("web", "store", 1)]}, id="names that collide"),
    pytest.param(
        {"services": [service("z", "karyon", 3, "lb"), service("lb", "elb", 0)]}, id="a karyon that sees nobody"
    ),
]


@pytest.mark.parametrize("change", BAD)
def test_a_bad_spec_changes_nothing(cluster: Cluster, namespace: str, change: dict[str, Any]) -> None:
    """Given a running architecture, when its spec turns bad, then Accepted is False within 2 s and no object is touched; a fresh one makes none."""
    cluster.apply(shop(rate=0), namespace)
    cluster.until_settled("shop", namespace)
    cluster.until("rest", lambda: _at_rest(cluster, namespace))
    before, pods = versions(cluster, namespace), cluster.uids(namespace)

    bad = shop(rate=0)
    bad["spec"] |= change
    done = cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(bad), check=False)
    fresh = architecture("fresh", *bad["spec"]["services"], **{k: v for k, v in change.items() if k != "services"})
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
    """The API server refuses another behavior for a version; removing it and adding it otherwise is caught from memory."""
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
        "refusal", lambda: cluster.condition("arch", "shop", "Accepted", namespace).get("reason") == "VersionConflict"
    )

    assert refused.returncode == 1
    assert "behavior is part of a version's identity" in refused.stderr


def test_what_is_deleted_or_edited_behind_the_operators_back_comes_back(cluster: Cluster, namespace: str) -> None:
    """Drift: a deleted Deployment, Service and budget, a changed replica count, a lost memory: the same end state."""
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


def test_a_label_that_is_taken_off_comes_back(cluster: Cluster, namespace: str) -> None:
    """Labels select what is watched: an object that loses its label is one that vanished, and is labelled again at once, not made anew."""
    cluster.apply(shop(rate=0), namespace)
    cluster.until_settled("shop", namespace)
    before = _labelled(cluster, namespace)
    names = ("deployment/shop-web-1-0-0-z0", "service/shop-db", "pdb/shop-web", "configmap/shop-state")
    cluster.kubectl("label", "-n", namespace, *names, "spiko.dev/architecture-")
    cluster.until("all labels", lambda: before == _labelled(cluster, namespace), 10)

    cluster.until_settled("shop", namespace)


def _labelled(cluster: Cluster, namespace: str) -> dict[str, str]:
    """UIDs of everything that has our label."""
    found = cluster.items("deployments,services,configmaps,poddisruptionbudgets", namespace, "spiko.dev/architecture")
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["uid"] for o in found}


def test_deleting_leaves_nothing_and_applying_again_at_once_works(cluster: Cluster, namespace: str) -> None:
    """Delete, apply at once: the new one waits for the collector and comes up; deleted, nothing is left."""
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    old = set(cluster.uids(namespace).values())
    cluster.kubectl("delete", "arch", "shop", "-n", namespace, "--wait=false")
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace, 60)
    cluster.until("old pods gone", lambda: not old & set(cluster.uids(namespace).values()), 30)

    cluster.kubectl("delete", "arch", "shop", "-n", namespace)
    cluster.until("nothing left", lambda: not cluster.items(OWNED, namespace, "spiko.dev/architecture"), 30)


def test_somebody_elses_object_is_left_alone(cluster: Cluster, namespace: str) -> None:
    """A Service that holds a wanted name is not taken over: Accepted is False, reason NameTaken, until it is gone."""
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop-db"}, "spec": {"ports": [{"port": 1}]}}
    cluster.apply(theirs, namespace)
    cluster.apply(shop(), namespace)
    cluster.until(
        "refusal", lambda: cluster.condition("arch", "shop", "Accepted", namespace).get("reason") == "NameTaken"
    )

    assert not cluster.items("deployments", namespace)
    assert cluster.get("service", "shop-db", namespace)["spec"]["ports"][0]["port"] == 1


@pytest.mark.long
def test_an_eviction_that_a_budget_refuses_ends_nobody(cluster: Cluster, namespace: str) -> None:
    """Given a frozen pod that is not Ready any more, when another of its tier is to be evicted, then the budget's refusal is respected and said."""
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


def test_an_eviction_that_is_allowed_replaces_one_pod_and_hurts_nobody(cluster: Cluster, namespace: str) -> None:
    """Evict ends a pod in order: it leaves the registry first, so no request is hurt."""
    cluster.apply(shop(rate=200), namespace)
    cluster.until_settled("shop", namespace)
    cluster.apply(fault("evict", "shop", tier="db"), namespace)
    cluster.until_true("evict", "Ended", namespace, kind="fault")
    (victim,) = cluster.get("fault", "evict", namespace)["status"]["victims"]

    assert (victim["state"], victim["failedRequests"]) == ("Killed", 0)
    assert victim["replacedMilliseconds"] > 0

"""The rights that the chart grants are enough: those of a user who reads counters, and those of an operator
without any right in the cluster as a whole.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.support.architectures import Object, fault, shop, wide_shop
from tests.support.node_cluster import OPERATOR, SYSTEM, NodeCluster

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(300)]
# Rights that are not counted as used. A server-side apply that creates an object needs both rights, and is
# counted as `patch`; a Deployment is read only if the cache lacks it.
CREATED = {"deployments create", "poddisruptionbudgets create", "secrets create", "services create"}
UNUSED = CREATED | {"deployments get"}


def user_kubeconfig(cluster: NodeCluster, namespace: str, folder: Path) -> Path:
    """Return the kubeconfig of a new service account that has the roles spiko-viewer and spiko-stream."""
    cluster.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    for role in ("spiko-viewer", "spiko-stream"):
        who = f"--serviceaccount={namespace}:reader"
        cluster.kubectl("create", "rolebinding", role, f"--clusterrole={role}", who, "-n", namespace)
    text = cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json").stdout
    document = json.loads(text)
    token = cluster.kubectl("create", "token", "reader", "-n", namespace).stdout.strip()
    document["users"][0]["user"] = {"token": token}
    path = folder / "reader"
    path.write_text(json.dumps(document))
    return path


def test_top_needs_two_roles_of_the_chart(cluster: NodeCluster, namespace: str, tmp_path: Path) -> None:
    """Given a service account with the roles spiko-viewer and spiko-stream only, when it runs `spiko top`,
    then it sees all edges through the API server's proxy; it may not read the keys.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace, 90)
    user = cluster.as_user(user_kubeconfig(cluster, namespace, tmp_path))
    top = user.spiko("top", "shop", "-n", namespace, "--once", "--json", "--window=3")
    rows = {row["name"]: row for row in json.loads(top.stdout)["edges"]}
    keys = user.kubectl("get", "secret", "shop-keys", "-n", namespace, check=False)

    assert {"www -> lb", "lb -> web", "web -> db"} == set(rows)
    assert rows["www -> lb"]["requestsPerSecond"] > 25
    assert "Forbidden" in keys.stderr


def granted(cluster: NodeCluster, namespace: str) -> set[str]:
    """Return the rights of the operator's Role in a namespace, each as resource and verb."""
    role = cluster.get("role", f"{SYSTEM}-{OPERATOR}", namespace)
    return {
        f"{resource} {verb}"
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(cluster: NodeCluster) -> tuple[set[str], list[str]]:
    """Return the rights that the operator has used, each as resource and verb, and what was refused."""
    found, refused = set(), []
    for sample in cluster.operator_metrics():
        if sample.name == "spiko_operator_api_requests_total":
            right = f"{sample.labels['resource']} {sample.labels['verb']}"
            found.add(right)
            if sample.labels["code"] in ("401", "403"):
                refused.append(right)
    return found, refused


def cluster_roles_of_the_operator(cluster: NodeCluster) -> list[str]:
    """Return the ClusterRoleBindings that name the operator's service account."""
    return [
        binding["metadata"]["name"]
        for binding in cluster.get("clusterrolebindings")["items"]
        for subject in binding.get("subjects") or ()
        if (subject["name"], subject.get("namespace")) == (OPERATOR, SYSTEM)
    ]


def test_one_namespace_needs_no_right_in_the_cluster(cluster: NodeCluster, namespace: str) -> None:
    """Given scope `namespace` without zones and roles for people, when a shop is created, gets Faults, and
    loses a tier, then all of it works, nothing is refused, and every right of the Role is used, except those
    in UNUSED.
    """
    values: Object = {
        "scope": "namespace",
        "namespaces": [namespace],
        "zones": {"enabled": False},
        "people": {"create": False},
    }
    with cluster.installed(values):
        bound = cluster_roles_of_the_operator(cluster)
        exercise(cluster, namespace)
        rights, (found, refused) = granted(cluster, namespace), used(cluster)
        log = cluster.operator_log()
        zones = cluster.condition("arch", "shop", "ZonesLabeled", namespace)["reason"]

    assert [] == bound
    assert ["nodes list"] == refused  # without it, zones are logical
    assert [] == [line for line in log.splitlines() if "403" in line and "nodes" not in line]
    assert "LogicalZones" == zones
    assert UNUSED == {right for right in rights - found if not right.endswith(" watch")}


def exercise(cluster: NodeCluster, namespace: str) -> None:
    """Use every feature of the operator that needs a right."""
    cluster.apply(wide_shop(), namespace)
    cluster.until_settled("shop", namespace, 90)
    for method in ("Evict", "Crash"):
        body = fault(method.lower(), "shop", tier="web", method=method)
        body["spec"]["startingDeadlineSeconds"] = 60
        cluster.apply(body, namespace)
        cluster.until_true(method.lower(), "Injected", namespace, 90, kind="fault")
    body = wide_shop()
    del body["spec"]["services"][0]
    body["spec"]["services"][0]["dependencies"] = []
    cluster.apply(yaml.safe_dump(body), namespace)
    cluster.until_settled("shop", namespace, 90)
    cluster.until("the end of the tier", lambda: not cluster.uids(namespace, "spiko.dev/tier=db"), 60)

"""Names that several owners need, objects without an owner, and files that are applied twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.architectures import architecture, service, shop
from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT

pytestmark = pytest.mark.e2e
Object = dict[str, Any]
OWNED = "deployments,services,configmaps,poddisruptionbudgets"
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def accepted(cluster: Cluster, namespace: str, name: str) -> tuple[str, str]:
    """Return status and reason of the condition Accepted; empty before the first pass."""
    condition = cluster.condition("arch", name, "Accepted", namespace)
    return condition.get("status", ""), condition.get("reason", "")


ORDERS = [("shop", "shop-cart"), ("shop-cart", "shop")]


@pytest.mark.parametrize(
    "order", [*ORDERS, *(pytest.param(each, marks=pytest.mark.long) for each in ORDERS * 3)]
)
def test_one_of_two_architectures_with_a_shared_name_runs(
    cluster: Cluster, namespace: str, order: tuple[str, str]
) -> None:
    """Given one `kubectl apply` of two Architectures that need the same name, then one becomes Ready and the
    other one is rejected and has no object; when the first one is deleted, the other one becomes Ready.
    """
    bodies = {
        "shop": architecture("shop", service("cart-db", "store", 1), service("web", "store", 1)),
        "shop-cart": architecture("shop-cart", service("db", "store", 1), service("cache", "store", 1)),
    }
    cluster.apply("\n---\n".join(json.dumps(bodies[name]) for name in order), namespace)

    def verdicts() -> dict[str, str]:
        found = {name: accepted(cluster, namespace, name)[1] for name in order}
        return found if all(found.values()) else {}

    found = cluster.until("both are evaluated", verdicts)
    assert sorted(found.values()) == ["NameTaken", "Valid"]
    winner, loser = sorted(found, key=lambda name: found[name], reverse=True)
    cluster.until_true(winner, "Ready", namespace)
    assert [] == cluster.items(OWNED, namespace, f"spiko.dev/architecture={loser}")
    assert ("False", "NameTaken") == accepted(cluster, namespace, loser)

    cluster.kubectl("delete", "arch", winner, "-n", namespace)
    cluster.until_true(loser, "Ready", namespace, 40)  # sooner than unwatched objects are looked at


@pytest.mark.long
def test_a_taken_name_that_becomes_free_is_noticed_within_a_minute(cluster: Cluster, namespace: str) -> None:
    """Given a Service of a user with a name that an Architecture needs, when it is deleted, which the
    operator does not watch, then the Architecture becomes Ready.
    """
    cluster.kubectl("create", "service", "clusterip", "shop-db", "--tcp=80", "-n", namespace)
    cluster.apply(shop(), namespace)
    cluster.until("taken", lambda: accepted(cluster, namespace, "shop") == ("False", "NameTaken"))
    message = cluster.condition("arch", "shop", "Accepted", namespace)["message"]
    assert message.startswith("no spec is in effect: Service shop-db belongs to another owner")

    cluster.kubectl("delete", "service", "shop-db", "-n", namespace)
    cluster.until("free", lambda: accepted(cluster, namespace, "shop") == ("True", "Valid"), 60)
    cluster.until_true("shop", "Ready", namespace)


@pytest.mark.long
def test_orphaned_objects_are_adopted(cluster: Cluster, namespace: str) -> None:
    """Given an Architecture that was deleted with --cascade=orphan, when it is applied again, then it adopts
    its objects, and no pod restarts.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    before = cluster.uids(namespace)
    cluster.kubectl("delete", "arch", "shop", "--cascade=orphan", "-n", namespace)
    cluster.until("orphaned", lambda: not any(owners(cluster, namespace)))
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)

    uid = cluster.get("arch", "shop", namespace)["metadata"]["uid"]
    assert {uid} == set(owners(cluster, namespace))
    assert before == cluster.uids(namespace)


@pytest.mark.long
def test_restored_objects_are_adopted(cluster: Cluster, namespace: str) -> None:
    """Given objects restored from a backup, with new UIDs and without owners, when the Architecture is
    restored after them, then it adopts them.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    saved = [restorable(body) for body in cluster.items(OWNED, namespace, "spiko.dev/architecture")]
    cluster.kubectl("delete", "arch", "shop", "--cascade=foreground", "-n", namespace)
    cluster.until("gone", lambda: not cluster.items(OWNED, namespace, "spiko.dev/architecture"))
    backup = json.dumps({"apiVersion": "v1", "kind": "List", "items": saved})
    cluster.kubectl("create", "-n", namespace, "--field-manager=spiko-operator", "-f", "-", stdin=backup)
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)

    assert {cluster.get("arch", "shop", namespace)["metadata"]["uid"]} == set(owners(cluster, namespace))


def owners(cluster: Cluster, namespace: str) -> list[str]:
    """Return the UIDs of the owners of all labeled objects."""
    found = cluster.items(OWNED, namespace, "spiko.dev/architecture")
    return [owner["uid"] for body in found for owner in body["metadata"].get("ownerReferences", ())]


def restorable(body: Object) -> Object:
    """Return an object as a backup restores it."""
    kept = ("name", "namespace", "labels", "annotations")
    metadata = {key: value for key, value in body["metadata"].items() if key in kept}
    return {key: value for key, value in body.items() if key != "status"} | {"metadata": metadata}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem == "lamp" else pytest.mark.long)
        for path in EXAMPLES
    ],
)
def test_an_unchanged_example_is_unchanged(cluster: Cluster, namespace: str, path: Path) -> None:
    """Given an example that is applied twice, then kubectl reports it as unchanged. The Architecture has an
    unknown victim, so that no pod starts.
    """
    bodies = list(yaml.safe_load_all(path.read_text()))
    for body in bodies:
        if body["kind"] == "Architecture":
            body["spec"]["victim"] = "unknown"
            body["spec"].pop("chaos", None)
    text = "\n---\n".join(json.dumps(body) for body in bodies)
    cluster.apply(text, namespace)
    again = cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=text).stdout.splitlines()

    assert len(bodies) == len(again)
    assert all(line.endswith(" unchanged") for line in again), again

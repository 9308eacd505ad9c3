"""Changes of the spec on a faithful API server: what is removed is removed, and rest is rest."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import pytest

from kube_devserver.api.options import Options
from kube_devserver.api_errors import StatusError
from tests.support.random_runtimes import random_runtime
from tests.support.random_specs import DesiredSpec, choose_change
from tests.support.settled_shop import shop
from tests.support.stored_cluster import NAMESPACE, StoredCluster

Object = dict[str, Any]
WEB = "shop-web-1-0-0-z0"


def shop_with(runtime: Object | None) -> Object:
    """Return the shop with this runtime."""
    body = shop()
    if runtime is not None:
        body["spec"]["runtime"] = runtime
    return body


async def owned_after(cluster: StoredCluster, architecture: Object) -> dict[str, Object]:
    """Apply an Architecture, and return the owned objects at rest."""
    cluster.put(architecture)
    await cluster.settle()
    return cluster.owned()


FIELDS: list[Object] = [
    {"image": "spiko/nanoservice:2"},
    {"image": "spiko/nanoservice:latest"},
    {"resources": {"limits": {"cpu": "1", "memory": "64Mi"}}},
    {"resources": {"requests": {"cpu": "100m"}}},
    {"tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}]},
    {"tolerations": [{"operator": "Exists"}, {"key": "team", "operator": "Equal", "value": "a"}]},
    {"imagePullSecrets": [{"name": "registry"}, {"name": "mirror"}]},
    {"nodeSelector": {"disk": "ssd", "node-role.kubernetes.io/worker": ""}},
    {"nodeSelector": {"node-role.kubernetes.io/worker": ""}},
    {"labels": {"team": "shop", "example.com/empty": ""}},
    {"labels": {"example.com/empty": ""}},
    {"annotations": {"sidecar.istio.io/inject": "false", "example.com/empty": ""}},
    {"annotations": {"example.com/empty": ""}},
    {"priorityClassName": "low"},
    {"otlpSecretName": "collector"},
]
PARTS: list[tuple[Object, Object]] = [
    ({"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}, {"imagePullSecrets": [{"name": "b"}]}),
    ({"nodeSelector": {"a": "1", "b": ""}}, {"nodeSelector": {"a": "1"}}),
    ({"labels": {"a": "1", "b": ""}}, {"labels": {"a": ""}}),
    ({"annotations": {"a": "1", "b": ""}}, {"annotations": {"a": ""}}),
]


@pytest.mark.parametrize("runtime", FIELDS, ids=[f"{next(iter(f))}-{i}" for i, f in enumerate(FIELDS)])
async def test_removed_runtime_field_is_removed_from_all_deployments(runtime: Object) -> None:
    """Given a field of the runtime, when it is added, and when it is removed, then each tier's Deployment is
    written once, so that its pods are replaced once, and in the end the objects are as before.
    """
    cluster = StoredCluster(shop())
    before = await owned_after(cluster, shop())
    cluster.put(shop_with(runtime))
    added = await cluster.reconcile()
    await cluster.settle()
    with_field = cluster.owned()
    cluster.put(shop())
    removed = await cluster.reconcile()

    assert tiers(before).keys() <= {name for name in before if before[name] != with_field[name]}
    assert before == cluster.owned()
    for writes in (added, removed):
        assert tiers(before).keys() <= {write.partition(" ")[2] for write in writes}
        assert len(writes) == len(set(writes))
    assert [] == await cluster.reconcile()


@pytest.mark.parametrize(("whole", "part"), PARTS, ids=[next(iter(part)) for _, part in PARTS])
async def test_removed_entry_of_a_runtime_field_is_removed(whole: Object, part: Object) -> None:
    """Given a field with two entries, when one is removed and another becomes empty, then the objects are
    those of a cluster that only had the second value.
    """
    cluster = StoredCluster(shop_with(whole))
    await cluster.settle()
    after = await owned_after(cluster, shop_with(part))

    assert without_owners(after) == without_owners(await owned_after(StoredCluster(shop()), shop_with(part)))
    cluster.restart_operator()
    assert [] == await cluster.reconcile()


async def test_the_secret_for_the_collector_restarts_no_eureka() -> None:
    """Given a Secret for the collector, when it is added, then only the pods of tiers are replaced."""
    cluster = StoredCluster(shop())
    before = await owned_after(cluster, shop())
    after = await owned_after(cluster, shop_with({"otlpSecretName": "collector"}))

    assert tiers(before).keys() == {name for name in before if before[name]["spec"] != after[name]["spec"]}


async def test_a_runtime_that_the_schema_refuses_is_not_stored() -> None:
    """Given values that no label and no object's name can have, then the API server refuses the spec."""
    for runtime in (
        {"nodeSelector": {"disk": "not a label value"}},
        {"labels": {"team": "x" * 64}},
        {"annotations": {f"a{i}": "" for i in range(17)}},
        {"imagePullSecrets": [{"name": "a"}, {"name": "a"}]},
        {"imagePullSecrets": [{"name": "Upper"}]},
        {"priorityClassName": "a_b"},
        {"otlpSecretName": ""},
    ):
        with pytest.raises(StatusError, match=r"spec\.runtime"):
            StoredCluster(shop_with(runtime))


async def test_a_key_of_the_operator_is_rejected_and_changes_nothing() -> None:
    """Given keys that the operator sets, then Accepted names field, key and remedy; nothing is written."""
    cluster = StoredCluster(shop())
    before = await owned_after(cluster, shop())
    cluster.put(shop_with({"nodeSelector": {"topology.kubernetes.io/zone": "a"}}))
    await cluster.reconcile()
    zone = cluster.condition("Accepted")
    cluster.put(shop_with({"labels": {"spiko.dev/tier": "db"}}))
    await cluster.reconcile()

    assert ("False", "ReservedKey") == (zone["status"], zone["reason"])
    text = 'spec.runtime.nodeSelector: key "topology.kubernetes.io/zone": set by the operator for each pod; '
    assert f"{text}name regions and zones in spec.topology instead" in zone["message"]
    assert 'spec.runtime.labels: key "spiko.dev/tier"' in cluster.condition("Accepted")["message"]
    assert before == cluster.owned()


async def test_removed_part_of_a_field_is_removed() -> None:
    """Given limits and two tolerations, when one limit and one toleration are removed, then they are."""
    two = [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]
    cluster = StoredCluster(shop())
    await owned_after(
        cluster, shop_with({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, "tolerations": two})
    )
    await owned_after(cluster, shop_with({"resources": {"limits": {"cpu": "1"}}, "tolerations": two[1:]}))
    pod = cluster.get("Deployment", WEB)["spec"]["template"]["spec"]

    assert {"limits": {"cpu": "1"}} == pod["containers"][0]["resources"]
    assert ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "b"] == [
        toleration["key"] for toleration in pod["tolerations"]
    ]


@pytest.mark.parametrize(
    "seed", [*range(10), *(pytest.param(n, marks=pytest.mark.long) for n in range(10, 100))]
)
async def test_a_sequence_of_runtimes_leaves_no_trace(seed: int) -> None:
    """Given runtimes A, B, A, also with a new operator in between, then the objects after the second A equal
    those after the first, those after B equal those of a cluster that only had B, and a settled pass writes
    nothing.
    """
    random = Random(seed)
    first, second = (shop_with(random_runtime(random)) for _ in range(2))
    cluster = StoredCluster(first)
    before = await owned_after(cluster, first)
    between = await owned_after(cluster, second)
    if random.random() < 0.5:
        cluster.restart_operator()
    after = await owned_after(cluster, first)

    assert before == after
    assert without_owners(between) == without_owners(await owned_after(StoredCluster(second), second))
    cluster.restart_operator()
    assert [] == await cluster.reconcile()


@pytest.mark.parametrize(
    "seed", [*range(5), *(pytest.param(n, marks=pytest.mark.long) for n in range(5, 40))]
)
async def test_a_sequence_of_live_changes_leaves_no_trace(seed: int) -> None:
    """Given random changes of counts, versions, tiers and weights and their reversal, then the objects are as
    before.
    """
    random, desired = Random(seed), DesiredSpec("shop")
    cluster = StoredCluster(desired.manifest())
    before = await owned_after(cluster, desired.manifest())
    for _ in range(4):
        _, changed = choose_change(random, desired)
        await owned_after(cluster, changed.manifest())
        assert before == await owned_after(cluster, desired.manifest())


@pytest.mark.parametrize("seed", range(15))
async def test_rendered_objects_have_no_value_that_the_server_drops(seed: int) -> None:
    """Given random specs, then every field that the operator applies is in the stored object, so that the
    pass after the first one writes nothing.
    """
    random, desired = Random(seed), DesiredSpec("shop")
    for _ in range(6):
        _, desired = choose_change(random, desired)
    body = copy.deepcopy(desired.manifest())
    body["spec"]["runtime"] = random_runtime(random) or {}
    body["spec"]["runtime"].pop("resources", None)  # amounts are normalized
    cluster = StoredCluster(body)
    dropped: list[str] = []
    cluster.api.applied = lambda sent, stored: dropped.extend(missing(sent, stored, sent["kind"]))
    first = await cluster.reconcile()

    assert len(first) > 10
    assert [] == dropped
    assert [] == await cluster.reconcile()


def missing(sent: Any, stored: Any, path: str) -> list[str]:
    """Return the paths of values that are not stored as they were sent."""
    if isinstance(sent, dict) and isinstance(stored, dict):
        return [found for key in sent for found in missing(sent[key], stored.get(key), f"{path}.{key}")]
    if isinstance(sent, list) and isinstance(stored, list) and len(sent) == len(stored):
        return [
            found
            for i, pair in enumerate(zip(sent, stored, strict=True))
            for found in missing(*pair, f"{path}[{i}]")
        ]
    return [] if sent == stored else [path]


def tiers(owned: dict[str, Object]) -> dict[str, Object]:
    """Return the Deployments of tiers."""
    return {key: body for key, body in owned.items() if key.startswith("Deployment/") and "eureka" not in key}


def without_owners(owned: dict[str, Object]) -> dict[str, Object]:
    """Return objects without the UID of their owner, and what is derived from it."""
    return {key: {"labels": body["labels"], "spec": body["spec"]} for key, body in owned.items()}


async def test_without_disruption_budgets_the_owned_ones_are_deleted() -> None:
    """Given an operator that renders no disruption budgets, then it deletes those that it owns and no other,
    and creates them again once it renders them.
    """
    cluster = StoredCluster(shop())
    before = await owned_after(cluster, shop())
    other = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "mine"}}
    at = cluster.api.target("PodDisruptionBudget", "mine")
    cluster.api.verbs.create(at.resource, NAMESPACE, other | {"spec": {"minAvailable": 1}}, Options())
    cluster.restart_operator(disruption_budgets=False)
    deleted = await cluster.reconcile()
    left = [body["metadata"]["name"] for body in cluster.api.bodies("PodDisruptionBudget")]
    quiet = await cluster.reconcile()
    cluster.restart_operator()
    await cluster.settle()

    budgets = sorted(name for name in before if name.startswith("PodDisruptionBudget/"))
    assert [f"DELETE {name}" for name in budgets] == sorted(deleted)
    assert (["mine"], []) == (left, quiet)
    assert before == {name: body for name, body in cluster.owned().items() if not name.endswith("/mine")}

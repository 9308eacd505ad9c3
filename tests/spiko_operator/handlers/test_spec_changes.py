"""Changes of the spec on a faithful API server: what is removed is removed, and rest is rest."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import pytest

from tests.support.random_runtimes import random_runtime
from tests.support.random_specs import DesiredSpec, choose_change
from tests.support.settled_shop import shop
from tests.support.stored_cluster import StoredCluster

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
]


@pytest.mark.parametrize("runtime", FIELDS, ids=[f"{next(iter(f))}-{i}" for i, f in enumerate(FIELDS)])
async def test_removed_runtime_field_is_removed_from_all_deployments(runtime: Object) -> None:
    """Given a field of the runtime, when it is removed, then the objects are as before, after one write for
    each Deployment.
    """
    cluster = StoredCluster(shop())
    before = await owned_after(cluster, shop())
    with_field = await owned_after(cluster, shop_with(runtime))
    cluster.put(shop())
    writes = await cluster.reconcile()

    assert before != with_field
    assert before == cluster.owned()
    assert len(writes) == len(set(writes))
    assert [] == await cluster.reconcile()


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


def without_owners(owned: dict[str, Object]) -> dict[str, Object]:
    """Return objects without the UID of their owner, and what is derived from it."""
    return {key: {"labels": body["labels"], "spec": body["spec"]} for key, body in owned.items()}

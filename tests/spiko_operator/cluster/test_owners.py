"""Pods belong to an Architecture by their chain of controller references."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest

from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.owners import Owners
from spiko_operator.errors import Missing
from tests.support.fake_control_plane import owned_by

Object = dict[str, Any]


def body(name: str, kind: str = "", owner: str = "", **changes: Any) -> Object:
    """Return an object with the UID `uid-` and its name, controlled by the object that is named."""
    references = [owned_by(kind, owner) | changes] if owner else []
    metadata = {"name": name, "namespace": "n", "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"metadata": metadata | {"ownerReferences": references}}


class Reads:
    """The client's `get`, which records what is read."""

    def __init__(self) -> None:
        self.objects = {
            ("ReplicaSet", "rs"): body("rs", "Deployment", "web"),
            ("ReplicaSet", "other"): body("other", "Deployment", "web", apiVersion="example.com/v1"),
        }
        self.log: list[str] = []

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        """Return one object."""
        self.log.append(f"{kind} {name}")
        if (kind, name) not in self.objects:
            raise Missing(name)
        return copy.deepcopy(self.objects[kind, name])


def prepared() -> tuple[Owners, Reads, Cache]:
    """Return owners with a Deployment `web` of the Architecture `shop` in the cache."""
    reads, cache = Reads(), Cache()
    cache.put("Deployment", body("web", "Architecture", "shop"))
    return Owners(cast(Client, reads), cache), reads, cache


FOREIGN = [
    ("no owner", body("p")),
    ("an owner that is not the controller", body("p", "ReplicaSet", "rs", controller=False)),
    ("a ReplicaSet of another UID", body("p", "ReplicaSet", "rs", uid="uid-earlier")),
    ("a ReplicaSet that does not exist", body("p", "ReplicaSet", "gone")),
    ("a ReplicaSet of another API group", body("p", "ReplicaSet", "rs", apiVersion="example.com/v1")),
    ("a ReplicaSet without a Deployment of this API group", body("p", "ReplicaSet", "other")),
    ("the Architecture itself", body("p", "Architecture", "shop")),
]


@pytest.mark.parametrize("pod", [row[1] for row in FOREIGN], ids=[row[0] for row in FOREIGN])
async def test_pod_outside_the_chain_belongs_to_no_architecture(pod: Object) -> None:
    """Given a pod whose chain of controllers is broken at any place, then it has no Architecture."""
    found, _, _ = prepared()

    assert await found.architecture_of(pod) is None
    assert await found.select([pod], "uid-shop") == []


async def test_replica_set_is_read_once() -> None:
    """Given pods of one ReplicaSet, then all belong to the Architecture, and it is read once."""
    found, reads, _ = prepared()
    pods = [body(f"p{i}", "ReplicaSet", "rs") for i in range(5)]

    assert await found.select(pods, "uid-shop") == pods
    assert await found.select(pods, "uid-shop of another life") == []
    assert ["ReplicaSet rs"] == reads.log


async def test_adopted_replica_set_is_read_again() -> None:
    """Given a Deployment that was deleted without its ReplicaSet, when another one adopts it, then its pods
    belong to the owner of the other one.
    """
    found, reads, cache = prepared()
    pod = body("p", "ReplicaSet", "rs")
    assert await found.architecture_of(pod) == "uid-shop"
    cache.drop("Deployment", body("web"))
    assert await found.architecture_of(pod) is None

    cache.put("Deployment", body("web-again", "Architecture", "second"))
    reads.objects["ReplicaSet", "rs"] = body("rs", "Deployment", "web-again")
    assert await found.architecture_of(pod) == "uid-second"


async def test_deployment_that_the_cache_does_not_have_yet_is_read() -> None:
    """Given a Deployment that the watch has not delivered, then it is read."""
    found, reads, cache = prepared()
    cache.drop("Deployment", body("web"))
    reads.objects["Deployment", "web"] = body("web", "Architecture", "shop")

    assert await found.architecture_of(body("p", "ReplicaSet", "rs")) == "uid-shop"


async def test_number_of_remembered_replica_sets_is_bounded() -> None:
    """Given more ReplicaSets than are remembered, then the first one is read again, and the last is not."""
    _, reads, cache = prepared()
    found = Owners(cast(Client, reads), cache, most=2)
    for name in "abc":
        reads.objects["ReplicaSet", name] = body(name, "Deployment", "web")
    for name in "abcca":
        assert await found.architecture_of(body("p", "ReplicaSet", name)) == "uid-shop"

    assert [f"ReplicaSet {name}" for name in "abca"] == reads.log

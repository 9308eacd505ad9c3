"""Names that other owners have, and leftovers of a deleted namesake."""

from __future__ import annotations

from tests.support.fake_api_server import FakeCluster
from tests.support.settled_shop import running, shop


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

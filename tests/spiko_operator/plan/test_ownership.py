"""Names that other owners have, and objects that are adopted."""

from __future__ import annotations

import pytest

from spiko_operator.plan.actions import Requeue
from spiko_operator.plan.reevaluation import REEVALUATE_S
from tests.support.fake_api_server import FakeCluster
from tests.support.settled_shop import Object, running, shop, templates


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


def orphaned(uid: str | None = None) -> FakeCluster:
    """Return a cluster whose Architecture is gone, and was created again; its objects have no owner, or the
    UID of one that is gone.
    """
    cluster = running()
    gone = cluster.objects.pop(("Architecture", "shop"))["metadata"]["uid"]
    cluster.living.remove(gone)
    for body in cluster.objects.values():
        if uid is None:
            del body["metadata"]["ownerReferences"]
        else:
            body["metadata"]["ownerReferences"][0]["uid"] = uid
    return cluster


def owners(cluster: FakeCluster) -> set[str]:
    """Return the UIDs of all owners."""
    references = [body["metadata"].get("ownerReferences", ()) for body in cluster.objects.values()]
    return {owner["uid"] for each in references for owner in each}


def test_objects_without_an_owner_are_adopted() -> None:
    """Given objects that were kept by `--cascade=orphan`, when the Architecture is created again, then it
    owns them, no template changes, and a tier that it no longer has is deleted.
    """
    cluster = orphaned()
    before, names = templates(cluster), set(cluster.objects)
    fresh = shop()
    del fresh["spec"]["services"][0]
    fresh["spec"]["services"][0]["dependencies"] = []
    cluster.put(fresh)
    cluster.settle("shop")

    assert owners(cluster) == {cluster.objects["Architecture", "shop"]["metadata"]["uid"]}
    assert before | templates(cluster) == before
    assert {name for _, name in names - set(cluster.objects)} == {
        "shop-db",
        "shop-db-1-0-0-z0",
        "shop-db-1-0-0-z1",
    }
    assert ("True", "Valid") == accepted(cluster)
    assert not [entry for entry in cluster.log if entry.startswith("create")]


@pytest.mark.parametrize(
    "change",
    [
        {"managedFields": [{"manager": "kubectl"}]},
        {"labels": {"spiko.dev/architecture": "other"}},
        {"ownerReferences": [{"kind": "ReplicaSet", "name": "x", "uid": "y", "controller": True}]},
    ],
)
def test_objects_of_others_are_not_adopted(change: Object) -> None:
    """Given an object without our field manager, without our label, or with another controller, then it is
    left alone, and the condition does not say what runs.
    """
    cluster = orphaned()
    cluster.objects["Service", "shop-db"]["metadata"] |= change
    before = cluster.summary()
    cluster.put(shop())
    cluster.reconcile("shop")

    del cluster.objects["Architecture", "shop"]
    assert before == cluster.summary()


def test_objects_of_a_namesake_that_is_gone_are_adopted_after_ten_seconds() -> None:
    """Given objects of a deleted namesake, then garbage collection is awaited for 10 s; then they are
    adopted.
    """
    cluster = orphaned("uid-gone")
    fresh = shop()
    fresh["metadata"]["creationTimestamp"] = "2025-12-31T23:59:55Z"
    cluster.put(fresh)
    before = cluster.summary()
    cluster.reconcile("shop")
    assert before == cluster.summary()
    assert owners(cluster) == {"uid-gone"}

    cluster.objects["Architecture", "shop"]["metadata"]["creationTimestamp"] = "2025-12-31T23:59:50Z"
    cluster.settle("shop")

    assert owners(cluster) == {cluster.objects["Architecture", "shop"]["metadata"]["uid"]}
    assert before == cluster.summary()


def test_an_edit_that_needs_a_taken_name_is_rejected() -> None:
    """Given a Service of a user, when a tier of that name is added, then the last accepted spec stays in
    effect and is repaired, until the Service is gone; no watch reports that, so the pass is repeated within
    a minute.
    """
    cluster = running()
    cluster.put({"kind": "Service", "metadata": {"name": "shop-new"}, "spec": {}})
    changed = shop()
    changed["spec"]["services"].append({"name": "new", "package": "store", "count": 1, "regions": 1})
    cluster.put(changed)
    cluster.objects.pop(("Deployment", "shop-www-1-0-0"))
    cluster.settle("shop")

    assert ["create Deployment/shop-www-1-0-0"] == cluster.log
    assert ("False", "NameTaken") == accepted(cluster)
    message = cluster.condition("shop", "Accepted")["message"]
    assert message.startswith("the last accepted spec stays in effect: Service shop-new belongs to another")
    assert requeued(cluster) == [REEVALUATE_S]

    del cluster.objects["Service", "shop-new"]
    cluster.settle("shop")
    assert ("True", "Valid") == accepted(cluster)
    assert ("Deployment", "shop-new-1-0-0-z0") in cluster.objects


def test_a_name_lost_to_another_owner_is_reported_and_the_rest_observed() -> None:
    """Given an owned Service that another owner replaced, then nothing is applied, and Applied is Unknown."""
    cluster = running()
    cluster.put({"kind": "Service", "metadata": {"name": "shop-db"}, "spec": {}})
    cluster.reconcile("shop")

    assert ("False", "NameTaken") == accepted(cluster)
    assert ("Unknown", "True") == tuple(
        cluster.condition("shop", kind)["status"] for kind in ("Applied", "Ready")
    )
    assert requeued(cluster) == [REEVALUATE_S]


def accepted(cluster: FakeCluster) -> tuple[str, str]:
    """Return status and reason of the condition Accepted."""
    condition = cluster.condition("shop", "Accepted")
    return condition["status"], condition["reason"]


def requeued(cluster: FakeCluster) -> list[float]:
    """Return the delays of the last plan, seconds."""
    assert cluster.last_plan is not None
    return [action.after_s for action in cluster.last_plan.actions if isinstance(action, Requeue)]

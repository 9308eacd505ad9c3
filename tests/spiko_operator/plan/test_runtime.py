"""The recorded runtime, and the condition RuntimeOutdated."""

from __future__ import annotations

import json
from dataclasses import replace

from spiko_operator.plan.actions import Emit
from spiko_operator.plan.runtime import observe_runtime
from spiko_operator.plan.state import from_data, to_data
from tests.support.fake_api_server import STATE_KEY, FakeCluster
from tests.support.settled_shop import Object, running, shop, templates

NEWER = "spiko/nanoservice:2"


def outdated(cluster: FakeCluster) -> tuple[str, str, str]:
    """Return status, reason and message of the condition."""
    found = cluster.condition("shop", "RuntimeOutdated")
    return found["status"], found["reason"], found["message"]


def images(cluster: FakeCluster) -> set[str]:
    """Return the images of the pods of tiers."""
    found = templates(cluster).items()
    return {t["spec"]["containers"][0]["image"] for name, t in found if "eureka" not in name}


def test_runtime_is_outdated_after_an_upgrade_of_the_operator() -> None:
    """Given an operator with another default image, then the condition names both images and the remedy with
    one event, the status has the recorded image, and no pod of a tier changes; the remedy ends it.
    """
    cluster = running()
    current = outdated(cluster)
    cluster.image = NEWER
    cluster.settle("shop")
    after, events = outdated(cluster), list(cluster.events)
    status = cluster.objects["Architecture", "shop"]["status"]
    body = shop()
    body["spec"]["runtime"] = {"image": NEWER}
    kept = images(cluster)
    cluster.put(body)
    cluster.settle("shop")

    assert ("False", "RuntimeCurrent", "recorded image spiko/nanoservice:1") == current
    assert after[:2] == ("True", "OtherImage")
    assert after[2] == (
        "recorded image spiko/nanoservice:1, current image spiko/nanoservice:2: the pods of tiers keep the "
        "recorded one; set spec.runtime.image to spiko/nanoservice:2 to replace them"
    )
    assert [Emit("Normal", "RuntimeOutdated", after[2])] == [e for e in events if "Outdated" in e.reason]
    assert ({"image": "spiko/nanoservice:1"}, {"spiko/nanoservice:1"}) == (status["runtime"], kept)
    assert ("False", {NEWER}) == (outdated(cluster)[0], images(cluster))


def test_an_image_of_the_spec_is_never_outdated() -> None:
    """Given an image in the spec, when the operator gets another default image, then nothing is outdated."""
    body = shop()
    body["spec"]["runtime"] = {"image": "mine/spiko/nanoservice:3"}
    cluster = running(body)
    cluster.image = NEWER
    cluster.settle("shop")

    assert ("False", "RuntimeCurrent", "recorded image mine/spiko/nanoservice:3") == outdated(cluster)


def test_a_later_renderer_is_named() -> None:
    """Given a runtime of an earlier revision of the pod template, also one without a revision, then the
    condition is True and names both revisions.
    """
    for recorded in ({"image": "a:1"}, {"image": "a:1", "renderer": 1}):
        later = observe_runtime(recorded, {}, "a:1", renderer=2)

        assert ("True", "EarlierRenderer") == (later.status, later.reason)
        assert "recorded revision 1 of the pod template, current revision 2" in later.message
        assert "False" == observe_runtime(recorded, {}, "a:1", renderer=1).status


def test_a_state_without_a_renderer_is_kept() -> None:
    """Given a state of an earlier release, which records no renderer, then no object is written."""
    cluster = running()
    state = cluster.objects["ConfigMap", "shop-state"]
    known = from_data(state["data"], STATE_KEY)
    runtime: Object = {"image": known.runtime["image"]}
    state["data"] = to_data(replace(known, runtime=runtime), STATE_KEY)

    assert [] == cluster.reconcile("shop")
    assert runtime == json.loads(state["data"]["state.json"])["runtime"]


def test_a_long_image_is_cut_in_the_status() -> None:
    """Given a default image that is longer than the status allows, then the status has its beginning."""
    cluster = FakeCluster()
    cluster.image = f"registry.example/{'a' * 300}"
    cluster.put(shop())
    cluster.settle("shop")

    assert cluster.image[:255] == cluster.objects["Architecture", "shop"]["status"]["runtime"]["image"]
    assert {cluster.image} == images(cluster)

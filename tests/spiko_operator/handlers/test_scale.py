"""The scale subresource of an Architecture, as `kubectl scale` and an autoscaler use it."""

from __future__ import annotations

from typing import Any

from kube_devserver.api.options import Options
from kube_devserver.api.scale import scale_of, write_scale
from kube_devserver.api.verbs import MERGE
from kube_devserver.objects.selectors import label_selector
from tests.support.settled_shop import shop
from tests.support.stored_cluster import StoredCluster

Object = dict[str, Any]


def scale(cluster: StoredCluster) -> Object:
    """Return the scale subresource."""
    return scale_of(cluster.api.target("Architecture", "shop", "scale"), cluster.get("Architecture", "shop"))


async def test_the_scale_subresource_selects_the_pods_of_all_tiers() -> None:
    """Given a settled Architecture, then its Scale has a selector, which an autoscaler needs: it selects the
    pods of every tier, and neither eurekas nor the pods of another Architecture.
    """
    cluster = StoredCluster(shop())
    await cluster.settle()
    selects = label_selector(scale(cluster)["status"]["selector"])
    templates = {b["metadata"]["name"]: b["spec"]["template"] for b in cluster.api.bodies("Deployment")}
    selected = {name for name, template in templates.items() if selects(template)}

    assert {name for name in templates if "eureka" not in name} == selected
    assert selected < templates.keys()
    foreign = {"metadata": {"labels": {"spiko.dev/architecture": "other", "spiko.dev/tier": "web"}}}
    assert not selects(foreign)


async def test_scaling_by_the_subresource_changes_the_active_percentage() -> None:
    """Given a Scale of 200, then the counts double, and its status follows."""
    cluster = StoredCluster(shop())
    await cluster.settle()
    assert (100, 100) == (scale(cluster)["spec"]["replicas"], scale(cluster)["status"]["replicas"])

    target = cluster.api.target("Architecture", "shop", "scale")
    write_scale(cluster.api.verbs, target, MERGE, {"spec": {"replicas": 200}}, Options(manager="kubectl"))
    await cluster.settle()

    webs = [b for b in cluster.api.bodies("Deployment") if b["metadata"]["labels"]["spiko.dev/tier"] == "web"]
    assert 200 == scale(cluster)["status"]["replicas"]
    assert 2 * 4 == sum(body["spec"]["replicas"] for body in webs)

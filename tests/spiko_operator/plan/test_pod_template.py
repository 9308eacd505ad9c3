"""The pod templates of tiers and eurekas: as they always were, and with each field of `spec.runtime`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.fake_api_server import NODES, FakeCluster
from tests.support.paths import ROOT
from tests.support.settled_shop import Object, shop, templates

GOLDEN = ROOT / "tests" / "spiko_operator" / "plan" / "pod_templates.json"
WITHOUT_NEW_FIELDS: Object = {
    "image": "registry.example/spiko/nanoservice:2",
    "resources": {"limits": {"memory": "64Mi"}},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
}
REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"


def rendered(runtime: Object | None, nodes: list[dict[str, str]]) -> dict[str, Any]:
    """Return the pod templates of the shop, by Deployment."""
    body, cluster = shop(), FakeCluster(nodes)
    if runtime is not None:
        body["spec"]["runtime"] = runtime
    cluster.put(body)
    cluster.settle("shop")
    return templates(cluster)


@pytest.mark.parametrize(
    ("case", "runtime", "nodes"),
    [("zones of nodes", None, NODES), ("logical zones", WITHOUT_NEW_FIELDS, [])],
)
def test_templates_are_those_of_the_first_renderer(
    case: str, runtime: Object | None, nodes: list[dict[str, str]]
) -> None:
    """Given a runtime that an earlier release could record, then its templates are exactly as that release
    rendered them: another template would restart every pod when the operator is upgraded. A change needs a
    new RENDERER.
    """
    golden = json.loads(GOLDEN.read_text())[case]
    found = rendered(runtime, nodes)

    assert golden == {name: found[name] for name in golden}


def test_every_pod_gets_the_settings_of_the_runtime() -> None:
    """Given pull Secrets, labels, annotations and a priority class, then every pod has them, and the
    operator's labels as before.
    """
    plain = rendered(None, NODES)
    found = rendered(
        {
            "imagePullSecrets": [{"name": "registry"}],
            "labels": {"team": "shop"},
            "annotations": {"sidecar.istio.io/inject": "false"},
            "priorityClassName": "low",
        },
        NODES,
    )

    assert plain.keys() == found.keys()
    for name, template in found.items():
        assert plain[name]["metadata"]["labels"] | {"team": "shop"} == template["metadata"]["labels"]
        assert {"sidecar.istio.io/inject": "false"} == template["metadata"]["annotations"]
        assert [{"name": "registry"}] == template["spec"]["imagePullSecrets"]
        assert "low" == template["spec"]["priorityClassName"]


def test_empty_settings_are_left_out() -> None:
    """Given empty lists and maps, then the templates are as without them."""
    empty: Object = {"imagePullSecrets": [], "nodeSelector": {}, "labels": {}, "annotations": {}}

    assert rendered(None, NODES) == rendered(empty, NODES)


@pytest.mark.parametrize(
    ("nodes", "name", "expected"),
    [
        (NODES, "shop-web-1-0-0-z1", {REGION: "r", ZONE: "rb"}),
        (NODES, "shop-eureka-z0", {REGION: "r", ZONE: "ra"}),
        (NODES, "shop-www-1-0-0", {}),
        ([], "shop-web-1-0-0-z1", {}),
    ],
)
def test_node_selector_is_merged_with_the_place_of_the_pod(
    nodes: list[dict[str, str]], name: str, expected: dict[str, str]
) -> None:
    """Given a node selector, then a pod needs nodes with its labels and with those of the pod's place; pods
    of logical zones are still spread.
    """
    own = {"disk": "ssd", "node-role.kubernetes.io/worker": ""}
    plain, found = rendered(None, nodes)[name]["spec"], rendered({"nodeSelector": own}, nodes)[name]["spec"]

    assert own | expected == found["nodeSelector"]
    assert plain.get("topologySpreadConstraints") == found.get("topologySpreadConstraints")


def test_secret_for_the_collector_is_mounted_into_pods_of_tiers_only() -> None:
    """Given a Secret for the collector, then pods of tiers mount two of its keys, read-only, and start
    without it; eurekas do not see it.
    """
    found = rendered({"otlpSecretName": "collector"}, NODES)
    items = [{"key": "headers", "path": "headers"}, {"key": "ca.crt", "path": "ca.crt"}]
    source = {"secretName": "collector", "optional": True, "defaultMode": 0o440, "items": items}

    for name, template in found.items():
        volumes = [v for v in template["spec"]["volumes"] if v["name"] == "otlp"]
        mounts = [
            m
            for m in template["spec"]["containers"][0]["volumeMounts"]
            if m["mountPath"] != "/var/run/spiko/keys"
        ]
        if "eureka" in name:
            assert ([], []) == (volumes, mounts)
        else:
            assert [{"name": "otlp", "secret": source}] == volumes
            assert [{"name": "otlp", "mountPath": "/var/run/spiko-otlp", "readOnly": True}] == mounts

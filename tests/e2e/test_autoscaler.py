"""A HorizontalPodAutoscaler of Kubernetes' own controller on the scale subresource."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.architectures import shop
from tests.support.external_metrics import METRIC, external_metric
from tests.support.local_cluster import Cluster

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.real,  # the API server of a local cluster has no autoscaler
    pytest.mark.timeout(240),
]
Object = dict[str, Any]
AUTOSCALER: Object = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "shop"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "spiko.dev/v1alpha1", "kind": "Architecture", "name": "shop"},
        "minReplicas": 100,
        "maxReplicas": 300,
        "metrics": [
            {
                "type": "External",
                "external": {
                    "metric": {"name": METRIC},
                    "target": {"type": "AverageValue", "averageValue": "5"},
                },
            }
        ],
    },
}


def test_an_autoscaler_scales_by_an_external_metric(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Given an autoscaler with 5 requests/s for one percent, then 500 requests/s keep the shop at 100 percent
    without an error; with 1000 requests/s it scales to 200, and the shop is Ready with twice the pods.
    """
    cluster.apply(shop(rate=0), namespace)
    cluster.until_settled("shop", namespace)

    def conditions() -> dict[str, tuple[str, str]]:
        status = cluster.get("hpa", "shop", namespace).get("status", {})
        return {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions") or ()}

    def scale() -> int:
        return int(cluster.get("arch", "shop", namespace)["status"]["scale"])

    with external_metric(cluster, namespace, tmp_path) as metric:
        metric.value = 500
        cluster.apply(AUTOSCALER, namespace)
        cluster.until("ScalingActive", lambda: conditions().get("ScalingActive", ("", ""))[0] == "True", 80)
        steady, before = conditions(), scale()
        metric.value = 1000
        cluster.until("the scale", lambda: scale() == 200, 60)
        cluster.until_settled("shop", namespace)
        webs = cluster.items("pods", namespace, "spiko.dev/tier=web")

    assert ("True", "ValidMetricFound") == steady["ScalingActive"]
    assert "True" == steady["AbleToScale"][0]
    assert (100, 6) == (before, len(webs))

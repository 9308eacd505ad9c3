"""Metrics of a running lamp and of its operator in Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.control_plane.build import binaries
from tests.support.local_cluster import Cluster
from tests.support.paths import EXAMPLES
from tests.support.prometheus_server import ask, prometheus, rules

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.real,  # Prometheus is built with Go
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        not (binaries() / "prometheus").exists(),
        reason="built on request: python tests/support/control_plane/build.py prometheus",
    ),
]
RATE = 100  # requests/s of the source of lamp
TIER_PORT, EUREKA_PORT = 8080, 7070
SOURCE_RATE = 'sum(rate(spiko_edge_requests_total{tier="www", outcome!="error"}[15s]))'


def read_targets(cluster: Cluster, namespace: str) -> list[str]:
    """Return address and port of every pod of a namespace."""
    found = []
    for pod in cluster.items("pods", namespace):
        port = EUREKA_PORT if pod["metadata"]["labels"]["spiko.dev/tier"] == "eureka" else TIER_PORT
        found.append(f"{pod['status']['podIP']}:{port}")
    return found


def test_prometheus_has_the_rate_of_lamp_and_no_alert(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    """Given lamp at 100 requests/s, when Prometheus scrapes its pods and the operator, then every target is
    up, the source sends and the load balancer answers the declared rate within 10 %, the operator is the
    only leader, and no alert is pending but the one on refused requests.
    """
    cluster.kubectl("apply", "-n", namespace, "-f", str(EXAMPLES / "lamp.yaml"))
    cluster.until_settled("lamp", namespace, 60)
    pods = read_targets(cluster, namespace)
    with prometheus({"pods": pods, "operator": [cluster.operator_address()]}, tmp_path) as url:

        def query(text: str) -> list[Any]:
            found: list[Any] = (ask(f"{url}/query", query=text) or {}).get("result", [])
            return found

        def value(text: str) -> float:
            return float(query(text)[0]["value"][1])

        cluster.until("ten scrapes", lambda: query("min(count_over_time(up[1m])) > 15"), 60)
        cluster.until("evaluated rules", lambda: {"ok"} == {rule["health"] for rule in rules(url)})
        rate, up = value(SOURCE_RATE), query("up == 1")
        answered = value('sum(rate(spiko_served_requests_total{tier="webserver-elb"}[15s]))')
        leaders, labels = value("sum(spiko_operator_leader)"), query('spiko_build_info{tier="webserver"}')
        # Refusals in namespaces that other tests have just deleted make one alert pending for some minutes.
        alerts = {alert["labels"]["alertname"] for alert in ask(f"{url}/alerts")["alerts"]}

    assert alerts <= {"SpikoOperatorRequestsRefused"}
    assert len(pods) + 1 == len(up)
    assert rate == pytest.approx(RATE, rel=0.1)
    assert answered == pytest.approx(RATE, rel=0.1)
    assert 1 == leaders
    assert 18 == len(labels)
    assert {"lamp"} == {sample["metric"]["spiko_architecture"] for sample in labels}

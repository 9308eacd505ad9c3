"""Lamp, from `kubectl apply` to traffic, traces and a replaced pod."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.architectures import fault
from tests.support.collectors import collector
from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT
from tests.support.totals import total_errors

pytestmark = pytest.mark.e2e
LAMP = ROOT / "examples" / "lamp.yaml"


def test_kill_under_load_is_noticed_and_replaced(cluster: Cluster, namespace: str) -> None:
    """Given lamp under load without errors, when a web server is killed without grace, then callers stop
    calling it, it is replaced, and the Fault reports both.
    """
    cluster.kubectl("apply", "-n", namespace, "-f", str(LAMP))
    cluster.until_settled("lamp", namespace)

    def full_rate() -> dict[str, Any]:
        top = cluster.spiko("top", "lamp", "-n", namespace, "--once", "--json", "-t", "3")
        found = {row["name"]: row for row in json.loads(top.stdout)["edges"]}
        return found if found.get("www -> webserver-elb", {}).get("requestsPerSecond", 0) >= 90 else {}

    rows = cluster.until("the full rate", full_rate)
    assert set(rows) == {
        "www -> webserver-elb",
        "webserver-elb -> webserver",
        "webserver -> memcache",
        "webserver -> rds-mysql",
    }
    assert rows["www -> webserver-elb"]["requestsPerSecond"] <= 110
    assert {} == total_errors(cluster, namespace)

    cluster.apply(fault("kill", "lamp", tier="webserver", method="Delete", gracePeriodSeconds=0), namespace)
    cluster.until_true("kill", "Ended", namespace, kind="fault")
    (victim,) = cluster.get("fault", "kill", namespace)["status"]["victims"]

    assert victim["state"] == "Killed"
    assert victim["callers"] == 1
    assert victim["noticedMilliseconds"] <= 1000
    assert victim["replacedMilliseconds"] <= 5000
    assert victim["replacedBy"] in cluster.uids(namespace)
    assert victim["pod"] not in cluster.uids(namespace)


@pytest.mark.real  # building the Collector needs Go
def test_traces_form_trees(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Given a real collector, when lamp exports spans, then each GET is a tree: www, elb, web server, store,
    with a CLIENT and a SERVER span for each hop.
    """
    lamp = yaml.safe_load(LAMP.read_text())
    with collector(tmp_path) as sink:
        lamp["spec"]["telemetry"] = {"otlpEndpoint": sink.endpoint}
        cluster.apply(lamp, namespace)
        cluster.until_settled("lamp", namespace)
        cluster.until("spans", lambda: len(sink.spans()) > 600, 20)
        cluster.kubectl("delete", "arch", "lamp", "-n", namespace)
        cluster.until("the pods' end", lambda: not cluster.items("pods", namespace))
        spans = sink.spans()

    by_id = {span["spanId"]: span for span in spans}
    traces: dict[str, list[dict]] = {}  # type: ignore[type-arg]
    for span in spans:
        traces.setdefault(span["traceId"], []).append(span)
    complete = [trace for trace in traces.values() if len(trace) == 6]
    assert len(complete) > 0.9 * len(traces)
    for trace in complete:
        roots = [span for span in trace if not span.get("parentSpanId")]
        assert len(roots) == 1
        assert (roots[0]["resource"]["service.name"], roots[0]["kind"]) == ("www", 3)
        for span in trace:
            parent = by_id.get(span.get("parentSpanId", ""))
            assert span is roots[0] or parent is not None
            if span["kind"] == 2:
                assert parent is not None
                assert parent["kind"] == 3
                assert span["resource"]["service.name"] == parent["attributes"]["service.peer.name"]
        tiers = Counter(span["resource"]["service.name"] for span in trace)
        assert tiers["www"] == 1
        assert (tiers["webserver-elb"], tiers["webserver"]) == (2, 2)
    statuses = {span.get("status", {}).get("code", 0) for span in spans}
    assert {0} == statuses  # a miss is not an error


def test_the_scale_subresource_is_a_percentage(cluster: Cluster, namespace: str) -> None:
    """Given lamp, when it is scaled to 200, then every count doubles, except 0, which is one instance, and
    existing pods stay; `scale` has desired and active percentage.
    """
    cluster.kubectl("apply", "-n", namespace, "-f", str(LAMP))
    cluster.until_settled("lamp", namespace)
    before, tiers, small = cluster.uids(namespace), _tiers(cluster, namespace), _scale(cluster, namespace)
    cluster.kubectl("scale", "arch", "lamp", "-n", namespace, "--replicas=200")
    cluster.until("the status", lambda: _scale(cluster, namespace) == (200, 200), 10)
    cluster.until_settled("lamp", namespace, 90)
    refused = cluster.kubectl("scale", "arch", "lamp", "-n", namespace, "--replicas=0", check=False)

    assert small == (100, 100)
    assert before.items() <= cluster.uids(namespace).items()
    assert tiers == {
        "rds-mysql": 2,
        "memcache": 1,
        "webserver": 18,
        "webserver-elb": 1,
        "www": 1,
        "eureka": 3,
    }
    assert _tiers(cluster, namespace) == {
        "rds-mysql": 4,
        "memcache": 2,
        "webserver": 36,
        "webserver-elb": 1,
        "www": 1,
        "eureka": 3,
    }
    assert cluster.get("arch", "lamp", namespace)["status"]["summary"] == {"pods": "44/44", "tiers": "5/5"}
    assert "should be greater than or equal to 1" in refused.stderr


def _scale(cluster: Cluster, namespace: str) -> tuple[int, int]:
    """Return the desired and the active percentage, as an autoscaler reads them."""
    path = f"/apis/spiko.dev/v1alpha1/namespaces/{namespace}/architectures/lamp/scale"
    body = json.loads(cluster.kubectl("get", "--raw", path).stdout)
    assert (body["apiVersion"], body["kind"]) == ("autoscaling/v1", "Scale")
    assert body["status"]["selector"] == "spiko.dev/architecture=lamp,spiko.dev/tier notin (eureka)"
    return body["spec"]["replicas"], body["status"]["replicas"]


def _tiers(cluster: Cluster, namespace: str) -> dict[str, int]:
    """Return the number of pods of each tier."""
    return dict(
        Counter(pod["metadata"]["labels"]["spiko.dev/tier"] for pod in cluster.items("pods", namespace))
    )


@pytest.mark.real  # the API server of a local cluster does not enforce Pod Security
def test_lamp_runs_in_a_restricted_namespace(cluster: Cluster, namespace: str) -> None:
    """Given Pod Security "restricted", when lamp is applied, then it is Ready and no pod is rejected; a less
    strict pod is.
    """
    level = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    cluster.kubectl("label", "namespace", namespace, *level)
    cluster.kubectl("apply", "-n", namespace, "-f", str(LAMP))
    cluster.until_settled("lamp", namespace)
    events = cluster.items("events", namespace)
    lax = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lax"},
        "spec": {"containers": [{"name": "main", "image": "any"}]},
    }
    refused = cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(lax), check=False)

    assert len(cluster.uids(namespace)) == 23 + 3
    assert [] == [event for event in events if event["reason"] == "FailedCreate"]
    assert 'violates PodSecurity "restricted:latest"' in refused.stderr

"""A settled Architecture causes no write, and edits of its objects are restored, on either API server."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import Any

import pytest

from tests.support.architectures import shop
from tests.support.counters import read_writes
from tests.support.local_cluster import Cluster, local_cluster

pytestmark = pytest.mark.e2e
Object = dict[str, Any]
WRITTEN = (
    "deployments",
    "services",
    "poddisruptionbudgets",
    "configmaps",
    "secrets",
    "architectures",
    "architectures/status",
)
RUNTIME: Object = {
    "resources": {"requests": {"cpu": "0.001", "memory": "1024Ki"}, "limits": {"memory": "1024Mi"}},
    "tolerations": [{"operator": "Exists"}, {"key": "team", "operator": "Equal", "value": ""}],
}
WEB = "shop-web-1-0-0-z0"


def writes(cluster: Cluster) -> Counter[str]:
    """Return the writes so far of the resources that the operator writes."""
    return Counter({key: n for key, n in read_writes(cluster).items() if key.split()[1] in WRITTEN})


def lists(cluster: Cluster) -> int:
    """Return the number of full lists of Deployments so far."""
    text = cluster.kubectl("get", "--raw", "/metrics").stdout
    rows = re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", text, re.MULTILINE)
    return sum(int(float(n)) for row, n in rows if 'resource="deployments"' in row and 'verb="LIST"' in row)


def test_settled_architecture_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a settled Architecture and a full list every second, when it is reconciled again and again, then
    the API server counts no write but the annotations that cause the passes.
    """
    monkeypatch.setenv("SPIKO_RESYNC_SECONDS", "1")
    with local_cluster() as cluster:
        cluster.apply(shop(rate=0, runtime=RUNTIME))
        cluster.until_settled("shop")
        time.sleep(2)
        before, listed = writes(cluster), lists(cluster)
        for number in range(5):
            cluster.kubectl("annotate", "arch", "shop", "--overwrite", f"example.dev/pass={number}")
            time.sleep(1)
        cluster.until("four full lists", lambda: lists(cluster) >= listed + 4, 30)
        counted = writes(cluster) - before

    assert {"PATCH architectures": 5} == dict(counted)
    assert before["APPLY deployments"] >= 7  # the counters do count
    assert before["APPLY secrets"] == 2


EDITS: dict[str, Object] = {
    "paused": {"paused": True},
    "strategy": {"strategy": {"type": "Recreate", "rollingUpdate": None}},
    "min-ready": {"minReadySeconds": 5},
    "label": {"template": {"metadata": {"labels": {"team": "a"}}}},
    "host": {"template": {"spec": {"hostNetwork": True, "hostPID": True, "hostIPC": True}}},
    "account": {"template": {"spec": {"serviceAccountName": "admin"}}},
    "node": {"template": {"spec": {"nodeName": "no-such-node"}}},
    # Kubernetes refuses `privileged` unless its API server allows it.
    "root": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "nanoservice",
                        "securityContext": {"runAsUser": 0, "allowPrivilegeEscalation": True},
                    }
                ]
            }
        }
    },
    "command": {
        "template": {"spec": {"containers": [{"name": "nanoservice", "command": ["sleep"], "args": ["9"]}]}}
    },
    "sidecar": {
        "template": {
            "spec": {
                "containers": [{"name": "other", "image": "example/x:1"}],
                "initContainers": [{"name": "first", "image": "example/x:1"}],
                "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
            }
        }
    },
}


def test_edits_are_restored(cluster: Cluster, namespace: str) -> None:
    """Given edits of a Deployment with kubectl, then each is undone, an event names the field, and the
    template is the same as before; the Architecture becomes Ready again.
    """
    cluster.apply(shop(rate=0, runtime=RUNTIME), namespace)
    cluster.until_settled("shop", namespace)
    before = cluster.get("deployment", WEB, namespace)["spec"]

    for name, patch in EDITS.items():
        done = cluster.kubectl("patch", "deployment", WEB, "-n", namespace, "-p", json.dumps({"spec": patch}))
        assert "patched" in done.stdout, name
        cluster.until(
            f"{name} restored", lambda: before == cluster.get("deployment", WEB, namespace)["spec"], 10
        )
    cluster.until_settled("shop", namespace)
    texts = [
        event["message"] for event in cluster.items("events", namespace) if event["reason"] == "Restored"
    ]

    for field in ("paused", "strategy.type", "hostNetwork", "serviceAccountName", "runAsUser", "command"):
        assert any(WEB in text and field in text for text in texts), field


@pytest.mark.long
def test_removed_runtime_field_is_removed(cluster: Cluster, namespace: str) -> None:
    """Given a runtime that is removed from the spec, then the templates are as they were before it."""
    cluster.apply(shop(rate=0), namespace)
    cluster.until_settled("shop", namespace)
    before = cluster.get("deployment", WEB, namespace)["spec"]
    cluster.apply(shop(rate=0, runtime=RUNTIME), namespace)
    cluster.until("the runtime", lambda: before != cluster.get("deployment", WEB, namespace)["spec"])
    cluster.until_settled("shop", namespace)
    cluster.apply(shop(rate=0), namespace)

    cluster.until("no runtime", lambda: before == cluster.get("deployment", WEB, namespace)["spec"])
    cluster.until_settled("shop", namespace)

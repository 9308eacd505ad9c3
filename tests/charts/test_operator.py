"""The operator runs with the rights and the settings that the chart gives it, and a real API server refuses
it nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.bare_control_plane import BareControlPlane
from tests.support.helm import CHART, CLUSTER, NAMESPACE, environment, render, run_helm
from tests.support.paths import EXAMPLES

# Real: only Kubernetes' own API server authorizes by roles.
pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.timeout(300)]
MANAGED = "managed"
SCOPES: dict[str, dict[str, Any]] = {
    "namespace": {"namespaces": [MANAGED], "zones": {"enabled": False}},
    "cluster": CLUSTER | {"networkPolicies": {"enabled": True}, "chaos": {"allowDelete": True}},
}


@pytest.fixture(params=SCOPES)
def values(plane: BareControlPlane, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Values of the chart, which is installed with them: a release in each scope."""
    found = SCOPES[request.param]
    for namespace in (NAMESPACE, MANAGED):
        plane.kubectl("create", "namespace", namespace)
    install = ("install", "spiko", str(CHART), "-n", NAMESPACE)
    done = run_helm(*install, values=found, kubeconfig=plane.kubeconfig)
    assert done.returncode == 0, done.stderr
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
    yield found
    run_helm("uninstall", "spiko", "-n", NAMESPACE, kubeconfig=plane.kubeconfig)
    plane.kubectl("delete", "crd", "architectures.spiko.dev", "faults.spiko.dev")
    plane.kubectl("delete", "namespace", NAMESPACE, MANAGED)


@contextmanager
def running(plane: BareControlPlane, folder: Path, values: dict[str, Any]) -> Iterator[Path]:
    """Run the operator with the chart's settings, as its service account; yield its log."""
    document = json.loads(plane.kubeconfig.read_text())
    token = plane.kubectl("create", "token", "spiko-operator", "-n", NAMESPACE).strip()
    document["users"][0]["user"] = {"token": token}
    kubeconfig, log = folder / "kubeconfig", folder / "log"
    kubeconfig.write_text(json.dumps(document))
    environ = os.environ | environment(render(values))
    environ |= {"KUBECONFIG": str(kubeconfig), "SPIKO_OPERATOR_NAMESPACE": NAMESPACE}
    del environ["SPIKO_HTTP_LISTEN"]  # its port may be taken on this machine
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "spiko_operator"], env=environ, stdout=file, stderr=file
        )
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def test_the_operator_is_refused_nothing(
    plane: BareControlPlane, values: dict[str, Any], tmp_path: Path
) -> None:
    """Given either scope, when an Architecture is created, loses a tier and a disruption budget, and gets a
    Fault, then all of its objects are written, and the operator's log has no refusal.
    """
    body: dict[str, Any] = next(yaml.safe_load_all((EXAMPLES / "lamp.yaml").read_text()))
    body["metadata"]["namespace"] = MANAGED
    fault = {
        "apiVersion": body["apiVersion"],
        "kind": "Fault",
        "metadata": {"name": "kill", "namespace": MANAGED},
        "spec": {"architecture": "lamp", "kill": {"tier": "webserver"}},
    }
    with running(plane, tmp_path, values) as log:
        plane.create(body)
        wait(plane, "architecture/lamp", "jsonpath={.status.conditions[?(@.type=='Applied')].status}=True")
        plane.create(fault)
        wait(plane, "fault/kill", "jsonpath={.status.conditions[0].type}")
        removed = remove_cache(body)
        plane.kubectl("replace", "-f", "-", given=json.dumps(removed))
        wait(plane, "service/lamp-memcache", "delete")
        text = log.read_text()

    names = {each["metadata"]["name"] for each in plane.get("deployments", "-n", MANAGED)["items"]}
    kinds = (
        "service",
        "poddisruptionbudget",
        "configmap/lamp-state",
        "secret/lamp-keys",
        "secret/spiko-read",
    )
    assert "lamp-webserver-1-0-0-z1" in names
    assert all(plane.get(kind, "-n", MANAGED) for kind in kinds)
    assert plane.get("events.events.k8s.io", "-n", MANAGED)["items"]
    assert plane.get("secret", "spiko-operator-key", "-n", NAMESPACE)["immutable"]
    refused = [line for line in text.splitlines() if "403" in line or "forbidden" in line.lower()]
    assert [] == [line for line in refused if "no permission to list nodes" not in line]


def remove_cache(body: dict[str, Any]) -> dict[str, Any]:
    """Return the Architecture without its tier memcache."""
    services = [
        each | {"dependencies": [name for name in each.get("dependencies", ()) if name != "memcache"]}
        for each in body["spec"]["services"]
        if each["name"] != "memcache"
    ]
    return body | {"spec": body["spec"] | {"services": services}}


def wait(plane: BareControlPlane, what: str, until: str) -> None:
    """Wait for an object of the managed namespace."""
    plane.kubectl("wait", what, f"--for={until}", "-n", MANAGED, "--timeout=50s")

"""The chart is installed, upgraded and uninstalled on a real API server, by the real helm."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from spiko_operator.api.schema import architecture_crd
from tests.support.bare_control_plane import BareControlPlane
from tests.support.helm import CHART, run_helm
from tests.support.paths import EXAMPLES

# Real: Helm applies on the server's side, and Pod Security is an admission plugin of Kubernetes.
pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.timeout(300)]
NAMESPACE = "restricted"
CRDS = ("crd", "architectures.spiko.dev", "faults.spiko.dev")
NEW_FIELD = "chaos"  # that the older chart's CustomResourceDefinition lacks


@pytest.fixture
def namespace(plane: BareControlPlane) -> Iterator[str]:
    """A namespace that admits only pods of the Pod Security Standard `restricted`; nothing of it is left."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    plane.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    yield NAMESPACE
    run_helm("uninstall", "spiko", "-n", NAMESPACE, kubeconfig=plane.kubeconfig)
    plane.kubectl("delete", *CRDS, check=False)
    plane.kubectl("delete", "namespace", NAMESPACE)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """An older chart: its CustomResourceDefinition lacks a field."""
    chart = shutil.copytree(CHART, tmp_path / "spiko")
    body = architecture_crd()
    del properties(body)[NEW_FIELD]
    text = yaml.safe_dump(body, sort_keys=False)
    (chart / "files/crds/spiko.dev_architectures.yaml").write_text(f"# Older.\n{text}")
    about = chart / "Chart.yaml"
    about.write_text(re.sub(r"(?m)^version: .*", "version: 0.0.1", about.read_text()))
    return chart


def properties(definition: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the spec, in a CustomResourceDefinition of Architecture."""
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found: dict[str, Any] = schema["properties"]["spec"]["properties"]
    return found


def helm(plane: BareControlPlane, *arguments: str) -> str:
    """Run helm in the namespace, and return its output and warnings."""
    done = run_helm(*arguments, "-n", NAMESPACE, kubeconfig=plane.kubeconfig)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def lamp(namespace: str) -> dict[str, Any]:
    """Return the example, in a namespace."""
    body: dict[str, Any] = next(yaml.safe_load_all((EXAMPLES / "lamp.yaml").read_text()))
    body["metadata"]["namespace"] = namespace
    return body


def test_an_upgrade_brings_new_fields_and_keeps_architectures(
    plane: BareControlPlane, namespace: str, older: Path
) -> None:
    """Given an older chart and an Architecture, when the release is upgraded, then the new field is in the
    CustomResourceDefinition, and the Architecture is the same; a second upgrade changes nothing.
    """
    helm(plane, "install", "spiko", str(older))
    plane.kubectl("wait", "--for=condition=Established", *CRDS)
    before = plane.create(lamp(namespace))
    assert NEW_FIELD not in properties(plane.get("crd", CRDS[1]))

    helm(plane, "upgrade", "spiko", str(CHART))
    upgraded = plane.get("crd", CRDS[1])
    helm(plane, "upgrade", "spiko", str(CHART))
    after = plane.get("architecture", "lamp", "-n", namespace)

    assert properties(architecture_crd())[NEW_FIELD].keys() == properties(upgraded)[NEW_FIELD].keys()
    assert plane.get("crd", CRDS[1])["metadata"]["generation"] == upgraded["metadata"]["generation"]
    assert (before["metadata"]["uid"], before["spec"]) == (after["metadata"]["uid"], after["spec"])


def test_uninstalling_keeps_definitions_and_architectures(plane: BareControlPlane, namespace: str) -> None:
    """Given a release and an Architecture, when it is uninstalled, then both definitions and the Architecture
    stay, all other objects are gone, and the same release can be installed again.
    """
    helm(plane, "install", "spiko", str(CHART))
    plane.kubectl("wait", "--for=condition=Established", *CRDS)
    uid = plane.create(lamp(namespace))["metadata"]["uid"]

    said = helm(plane, "uninstall", "spiko")
    kinds = "deployment,service,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,secret"
    left = plane.get(kinds, "-A", "-l", "app.kubernetes.io/managed-by=Helm")["items"]
    helm(plane, "install", "spiko", str(CHART))

    assert "architectures.spiko.dev" in said
    assert left == []
    assert uid == plane.get("architecture", "lamp", "-n", namespace)["metadata"]["uid"]


def test_definitions_of_another_release_are_not_taken_silently(
    plane: BareControlPlane, namespace: str
) -> None:
    """Given definitions that an uninstalled release has left, when a release of another name is installed,
    then Helm refuses and names the definition; `--take-ownership` or `crds.install=false` install it.
    """
    helm(plane, "install", "spiko", str(CHART))
    helm(plane, "uninstall", "spiko")
    install = ("install", "other", str(CHART), "-n", namespace)

    refused = run_helm(*install, kubeconfig=plane.kubeconfig)
    without = run_helm(*install, "--set", "crds.install=false", kubeconfig=plane.kubeconfig)
    run_helm("uninstall", "other", "-n", namespace, kubeconfig=plane.kubeconfig)
    taken = run_helm(*install, "--take-ownership", kubeconfig=plane.kubeconfig)
    run_helm("uninstall", "other", "-n", namespace, kubeconfig=plane.kubeconfig)

    assert refused.returncode != 0
    assert "spiko.dev" in refused.stderr
    assert (0, 0) == (without.returncode, taken.returncode), without.stderr + taken.stderr


def test_definitions_that_kubectl_applied_are_taken_over(
    plane: BareControlPlane, namespace: str, older: Path
) -> None:
    """Given older definitions that kubectl has applied, when the chart is installed as the docs say, then
    the new field is there. Helm 3 applies on the client's side, so that there are no conflicts to force.
    """
    plane.kubectl("apply", "-f", str(older / "files/crds"))
    install = ("install", "spiko", str(CHART), "--take-ownership")
    force = ("--force-conflicts",) if "--force-conflicts" in run_helm("install", "--help").stdout else ()

    helm(plane, *install, *force)

    assert NEW_FIELD in properties(plane.get("crd", CRDS[1]))


def test_pod_security_admits_the_operator(plane: BareControlPlane, namespace: str) -> None:
    """Given a namespace that enforces `restricted`, when the chart is installed, then Pod Security warns of
    nothing, and admits the operator's pod.
    """
    said = helm(plane, "install", "spiko", str(CHART), "--set", "replicas=2")

    end = time.monotonic() + 60
    while len(plane.get("pods", "-n", namespace)["items"]) < 2:
        events = plane.get("events", "-n", namespace)["items"]
        assert time.monotonic() < end, json.dumps([each["message"] for each in events])
        time.sleep(0.1)
    assert "PodSecurity" not in said


def test_a_missing_namespace_is_named(plane: BareControlPlane, namespace: str) -> None:
    """Given a namespace that does not exist among `namespaces`, when the chart is installed, then the error
    names it.
    """
    values = {"namespaces": [namespace, "missing"]}
    done = run_helm(
        "install", "spiko", str(CHART), "-n", namespace, values=values, kubeconfig=plane.kubeconfig
    )

    assert done.returncode != 0
    assert 'namespaces "missing" not found' in done.stderr

"""The Helm chart for tests: rendered with the real helm, and its objects by kind and name."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.control_plane.build import binaries
from tests.support.local_cluster import REAL, which_control_plane
from tests.support.paths import ROOT

CHART = ROOT / "charts" / "spiko"
RELEASE, NAMESPACE = "spiko", "spiko-system"
BINARY = "SPIKO_TEST_HELM"  # another helm, such as one of version 3
Object = dict[str, Any]

# Everything that a value can switch on, in both scopes.
EVERYTHING: Object = {
    "replicas": 2,
    "image": {"digest": "sha256:" + "a" * 64},
    "nanoservice": {"image": {"repository": "registry.example:5000/spiko/nanoservice", "tag": "1.2.3"}},
    "imagePullSecrets": [{"name": "registry"}],
    "chaos": {"allowDelete": True},
    "networkPolicies": {
        "enabled": True,
        "apiServerBlocks": ["10.0.0.0/24", "fd00::/64"],
        "prometheusNamespace": "monitoring",
    },
    "openshift": {"enabled": True},
    "defaultCollector": "http://collector.observability:4318",
    "operatorTraces": {"endpoint": "http://collector.observability:4318"},
    "limits": {
        "maxPods": 1_000_000,
        "allowedImages": ["registry.example/*", "spiko/*"],
        "allowedTolerations": ["spot"],
        "allowedCollectors": ["*.observability"],
    },
    "resyncSeconds": 3600,
    "keyEpoch": 1_000_000,
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "priorityClassName": "system-cluster-critical",
    "podLabels": {"team": "a"},
    "podAnnotations": {"a.example/b": "{{ c }}"},
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
}
NAMESPACED: Object = {"scope": "namespace", "namespaces": ["team-a", "team-b"]}
CLUSTER: Object = {"scope": "cluster"}


def find_helm() -> str:
    """Return the path of helm; skip the test if it was not built, which fails on a real control plane."""
    path = os.environ.get(BINARY) or str(binaries() / "helm")
    if not Path(path).is_file():
        remedy = f"{path} is missing: python tests/support/control_plane/build.py helm"
        if which_control_plane() == REAL:
            pytest.fail(remedy)
        pytest.skip(remedy)
    return path


def run_helm(
    *arguments: str, values: Mapping[str, Any] | None = None, kubeconfig: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run helm, with values on its standard input, and return its result."""
    environ = os.environ | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig is not None else {})
    given = ("--values", "-") if values is not None else ()
    return subprocess.run(
        [find_helm(), *arguments, *given],
        input=yaml.safe_dump(dict(values or {})),
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def render(
    values: Mapping[str, Any] | None = None, chart: Path = CHART, namespace: str = NAMESPACE
) -> list[Object]:
    """Return all objects of the chart with these values."""
    return yaml_objects(_render(yaml.safe_dump(dict(values or {})), str(chart), namespace))


@functools.cache
def _render(values: str, chart: str, namespace: str) -> str:
    done = run_helm("template", RELEASE, chart, "--namespace", namespace, values=yaml.safe_load(values))
    assert done.returncode == 0, done.stderr
    return done.stdout


def yaml_objects(text: str) -> list[Object]:
    """Return the documents of a YAML stream that are not empty."""
    return [body for body in yaml.safe_load_all(text) if body]


def only(objects: list[Object], kind: str, name: str = "", namespace: str = "") -> Object:
    """Return the one object of a kind, a name and a namespace, where they are given."""
    (found,) = (
        body
        for body in objects
        if body["kind"] == kind
        and name in ("", body["metadata"]["name"])
        and namespace in ("", body["metadata"].get("namespace"))
    )
    return found


def environment(objects: list[Object]) -> dict[str, str]:
    """Return the environment variables of the operator that have a value."""
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    return {each["name"]: each["value"] for each in pod["containers"][0]["env"] if "value" in each}

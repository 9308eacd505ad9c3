"""The rights that the chart grants: those of `rbac.golden.yaml`, where every change must be visible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.helm import CLUSTER, EVERYTHING, NAMESPACE, NAMESPACED, render

pytestmark = pytest.mark.helm
GOLDEN = Path(__file__).with_name("rbac.golden.yaml")
NOTHING = {"zones": {"enabled": False}, "leaderElection": {"enabled": False}, "people": {"create": False}}
CASES: dict[str, dict[str, Any]] = {
    "scope namespace": {},
    "scope cluster": CLUSTER,
    "scope namespace, two namespaces, everything": EVERYTHING | NAMESPACED,
    "scope cluster, everything": EVERYTHING | CLUSTER,
    "scope namespace, without zones, leader election and people": NOTHING,
}


def rights(values: dict[str, Any]) -> dict[str, list[str]]:
    """Return the rules of every role, and the subjects of every binding, as one line each."""
    found: dict[str, list[str]] = {}
    for body in render(values):
        metadata = body["metadata"]
        name = "/".join(filter(None, (body["kind"], metadata.get("namespace"), metadata["name"])))
        if body["kind"].endswith("RoleBinding"):
            reference = body["roleRef"]
            subjects = [f"{one['kind']}/{one['namespace']}/{one['name']}" for one in body["subjects"]]
            found[name] = [f"{reference['kind']}/{reference['name']} to {', '.join(subjects)}"]
        elif body["kind"].endswith("Role"):
            labels = sorted(label for label in metadata["labels"] if "aggregate" in label)
            found[name] = [*labels, *(line for rule in body["rules"] for line in lines(rule))]
    return dict(sorted(found.items()))


def lines(rule: dict[str, Any]) -> list[str]:
    """Return one line for each resource of a rule: group, resource, name and verbs."""
    names = f" named {', '.join(rule['resourceNames'])}" if "resourceNames" in rule else ""
    return [
        f"{group or 'core'} {resource}{names}: {', '.join(rule['verbs'])}"
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    ]


@pytest.mark.parametrize("case", CASES)
def test_rights_are_those_of_the_golden_file(case: str) -> None:
    """Given a scope and switches, then roles and bindings are exactly those of the golden file; to change
    them, change the file by hand.
    """
    assert yaml.safe_load(GOLDEN.read_text())[case] == rights(CASES[case])


def test_the_golden_file_has_no_other_case() -> None:
    """Given the golden file, then each of its cases is tested."""
    assert list(CASES) == list(yaml.safe_load(GOLDEN.read_text()))


@pytest.mark.parametrize("case", CASES)
def test_no_rule_is_broader_than_it_must_be(case: str) -> None:
    """Given any rule, then it has no wildcard, no right to run a command in a pod, to list Secrets, to bind
    roles or to act as another user, and no delete of pods without `chaos.allowDelete`.
    """
    rules = [line for found in rights(CASES[case]).values() for line in found if ": " in line]
    forbidden = ("*", "pods/exec", "pods/attach", "pods/portforward", "rolebindings", "clusterroles")
    secrets = {
        verb for line in rules if line.startswith("core secrets") for verb in line.split(": ")[1].split(", ")
    }
    pods = {
        verb for line in rules if line.startswith("core pods:") for verb in line.split(": ")[1].split(", ")
    }

    assert [] == [line for line in rules if any(word in line for word in forbidden)]
    assert [] == [line for line in rules if {"impersonate", "bind", "escalate"} & set(line.split())]
    assert secrets == {"get", "create", "patch"}
    assert ("delete" in pods) is ("everything" in case)
    assert {"create", "update", "patch", "deletecollection"}.isdisjoint(pods)


def test_a_user_of_one_namespace_can_install_the_chart() -> None:
    """Given no CustomResourceDefinitions, people and zones, then no object belongs to the whole cluster."""
    values = NOTHING | {"crds": {"install": False}}

    assert {NAMESPACE} == {body["metadata"].get("namespace") for body in render(values)}


def test_faults_are_written_by_one_role_only() -> None:
    """Given the roles for people, then only spiko-chaos writes Faults, and only spiko-viewer and
    spiko-editor are part of built-in roles.
    """
    found = {name: lines for name, lines in rights({}).items() if name.startswith("ClusterRole/spiko-")}

    assert ["ClusterRole/spiko-chaos"] == [
        name
        for name, lines in found.items()
        if any(line.startswith("spiko.dev faults:") and "create" in line for line in lines)
    ]
    assert ["ClusterRole/spiko-editor", "ClusterRole/spiko-viewer"] == [
        name for name, lines in found.items() if any("aggregate-to" in line for line in lines)
    ]

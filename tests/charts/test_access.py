"""A real API server is asked what the operator and people may do once the chart is installed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.access import ask, questions
from tests.support.bare_control_plane import BareControlPlane
from tests.support.helm import CHART, run_helm

# Real: only Kubernetes' own API server authorizes by roles, and only its controllers aggregate them.
pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.timeout(300)]
NAMESPACED, CLUSTER = "spiko-namespaced", "spiko-cluster"  # namespaces of two releases

TABLES: Any = yaml.safe_load(Path(__file__).with_name("access.yaml").read_text())
OPERATOR, PEOPLE = TABLES["operator"], TABLES["people"]


@pytest.fixture(scope="module")
def installed(plane: BareControlPlane) -> Iterator[BareControlPlane]:
    """Two releases: one for the namespace team-a, one for the cluster."""
    for namespace in ("team-a", "team-b", NAMESPACED, CLUSTER):
        plane.kubectl("create", "namespace", namespace)
    values: dict[str, dict[str, Any]] = {
        NAMESPACED: {"namespaces": ["team-a"]},
        CLUSTER: {"scope": "cluster", "crds": {"install": False}, "people": {"create": False}},
    }
    for namespace, given in values.items():
        done = run_helm(
            "install", "spiko", str(CHART), "-n", namespace, values=given, kubeconfig=plane.kubeconfig
        )
        assert done.returncode == 0, done.stderr
    yield plane
    for namespace in values:
        run_helm("uninstall", "spiko", "-n", namespace, kubeconfig=plane.kubeconfig)
        plane.kubectl("delete", "namespace", namespace, "--wait=false")
    plane.kubectl("delete", "crd", "architectures.spiko.dev", "faults.spiko.dev")


def operator(namespace: str) -> str:
    """Return the user of a release's operator."""
    return f"system:serviceaccount:{namespace}:spiko-operator"


@pytest.mark.parametrize("release", [NAMESPACED, CLUSTER])
def test_the_operator_may_do_what_it_needs(installed: BareControlPlane, release: str) -> None:
    """Given either scope, then the operator has every right that it uses, in namespaces that it manages, in
    its own, and on nodes.
    """
    needed = OPERATOR["needed"]
    asked = [*questions(needed, "team-a"), *questions(OPERATOR["own"], release)]
    asked += questions({"core/nodes": "list"})
    asked += questions(needed, "team-b") if release == CLUSTER else []

    _, refused = ask(installed, operator(release), asked)

    assert [] == refused


@pytest.mark.parametrize("release", [NAMESPACED, CLUSTER])
def test_the_operator_may_do_nothing_else(installed: BareControlPlane, release: str) -> None:
    """Given either scope, then the operator has no other right, and none in a namespace that it does not
    manage.
    """
    never = OPERATOR["never"]
    asked = [*questions(never, "team-a"), *questions(never, release), *questions(never, "kube-system")]
    asked += questions(OPERATOR["never in the cluster"])
    if release == NAMESPACED:
        asked += [*questions(OPERATOR["needed"], "team-b"), *questions(OPERATOR["needed"])]
        asked += questions(OPERATOR["not in its own namespace"], release)

    allowed, refused = ask(installed, operator(release), asked)

    assert [] == allowed
    assert len(refused) > 200


@pytest.mark.parametrize("role", PEOPLE)
def test_people_may_do_what_their_role_says(installed: BareControlPlane, role: str) -> None:
    """Given a user with a role in a namespace, then the user may do there what the role says, and nothing in
    another namespace.
    """
    user, may, may_not = f"user-of-{role}", PEOPLE[role]["may"], PEOPLE[role]["may not"]
    binding = ("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "-n", "team-a")
    installed.kubectl(*binding)
    wait_for_aggregation(installed)

    _, refused = ask(installed, user, list(questions(may, "team-a")))
    wrong = [*questions(may_not, "team-a"), *questions(may, "team-b"), *questions(may)]
    allowed, _ = ask(installed, user, wrong)

    assert [] == refused
    assert [] == allowed


def test_three_roles_suffice_for_a_run(installed: BareControlPlane) -> None:
    """Given a user with spiko-editor, spiko-chaos and spiko-stream, then the user has all rights that
    `spiko run` asks for.
    """
    for role in ("spiko-editor", "spiko-chaos", "spiko-stream"):
        binding = ("create", "rolebinding", f"run-{role}", f"--clusterrole={role}", "--user=runner")
        installed.kubectl(*binding, "-n", "team-a")

    _, refused = ask(installed, "runner", list(questions(TABLES["run"], "team-a")))

    assert [] == refused


def wait_for_aggregation(plane: BareControlPlane) -> None:
    """Wait until the built-in roles have the rules of the chart's."""
    end = time.monotonic() + 30
    while any(
        not any("spiko.dev" in rule.get("apiGroups", ()) for rule in plane.get("clusterrole", name)["rules"])
        for name in ("view", "edit", "admin")
    ):
        assert time.monotonic() < end, "the roles are not aggregated"
        time.sleep(0.1)

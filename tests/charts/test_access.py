"""A real API server is asked what the operator and people may do once the chart is installed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.access import ask
from tests.support.bare_control_plane import BareControlPlane
from tests.support.helm import CHART, run_helm

# Real: only Kubernetes' own API server authorizes by roles, and only its controllers aggregate them.
pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.timeout(300)]
NAMESPACED, CLUSTER = "spiko-namespaced", "spiko-cluster"  # namespaces of two releases

# In a namespace that the operator manages, in either scope.
NEEDED = """
list spiko.dev/architectures | watch spiko.dev/architectures | list spiko.dev/faults | watch spiko.dev/faults
patch spiko.dev/architectures/status | patch spiko.dev/faults/status
get apps/deployments | list apps/deployments | watch apps/deployments | create apps/deployments
patch apps/deployments | delete apps/deployments | get apps/replicasets
list services | watch services | create services | patch services | delete services
list policy/poddisruptionbudgets | watch policy/poddisruptionbudgets | create policy/poddisruptionbudgets
patch policy/poddisruptionbudgets | delete policy/poddisruptionbudgets
get configmaps | list configmaps | watch configmaps | create configmaps | update configmaps
get secrets lamp-keys | create secrets | patch secrets lamp-keys | get secrets spiko-read
get namespaces team-a | get pods | list pods | watch pods | create /pods/eviction | create events.k8s.io/events
"""
# In the operator's own namespace.
OWN = """
get secrets spiko-operator-key | create secrets | create coordination.k8s.io/leases
get coordination.k8s.io/leases spiko-operator | update coordination.k8s.io/leases spiko-operator
"""
NEVER = """
list secrets | watch secrets | update secrets lamp-keys | delete secrets lamp-keys | deletecollection secrets
create pods | update pods | patch pods | delete pods | deletecollection pods | create /pods/exec | get /pods/exec
create /pods/attach | create /pods/portforward | get /pods/log | get /pods/proxy | create /pods/proxy
update /pods/ephemeralcontainers | patch /pods/status | create /pods/binding
get spiko.dev/architectures | create spiko.dev/architectures | update spiko.dev/architectures
patch spiko.dev/architectures | delete spiko.dev/architectures | update spiko.dev/architectures/finalizers
update spiko.dev/architectures/status | patch spiko.dev/architectures/scale
create spiko.dev/faults | patch spiko.dev/faults | delete spiko.dev/faults
update apps/deployments | deletecollection apps/deployments | update apps/deployments/scale
list apps/replicasets | watch apps/replicasets | delete apps/replicasets | patch apps/replicasets
create apps/daemonsets | create apps/statefulsets | create batch/jobs | create batch/cronjobs
delete configmaps | patch configmaps | update services | get /services/proxy
list events.k8s.io/events | patch events.k8s.io/events | create events
create networking.k8s.io/networkpolicies | delete networking.k8s.io/networkpolicies | create networking.k8s.io/ingresses
get serviceaccounts | create serviceaccounts | create /serviceaccounts/token
get rbac.authorization.k8s.io/roles | create rbac.authorization.k8s.io/roles | bind rbac.authorization.k8s.io/roles
create rbac.authorization.k8s.io/rolebindings | escalate rbac.authorization.k8s.io/roles
create persistentvolumeclaims | delete coordination.k8s.io/leases spiko-operator
"""
NEVER_IN_THE_CLUSTER = """
get nodes | watch nodes | patch nodes | update /nodes/status | get /nodes/proxy | create /nodes/proxy
list namespaces | create namespaces | delete namespaces team-a | patch namespaces team-a
get apiextensions.k8s.io/customresourcedefinitions | list apiextensions.k8s.io/customresourcedefinitions
patch apiextensions.k8s.io/customresourcedefinitions | create rbac.authorization.k8s.io/clusterroles
create rbac.authorization.k8s.io/clusterrolebindings | impersonate users admin | impersonate groups system:masters
create admissionregistration.k8s.io/validatingwebhookconfigurations | list persistentvolumes | list secrets
create certificates.k8s.io/certificatesigningrequests | list storage.k8s.io/storageclasses
"""
FOREIGN = """
list spiko.dev/architectures | get secrets spiko-read | create secrets | create apps/deployments
create /pods/eviction | list pods | get configmaps | get namespaces team-b | create events.k8s.io/events
"""


def split(text: str, namespace: str = "") -> list[str]:
    """Return the questions of a text, in a namespace."""
    place = f" in {namespace}" if namespace else ""
    return [f"{question.strip()}{place}" for line in text.strip().splitlines() for question in line.split("|")]


@pytest.fixture(scope="module")
def installed(plane: BareControlPlane) -> Iterator[BareControlPlane]:
    """Two releases: one for the namespace team-a, one for the cluster."""
    for namespace in ("team-a", "team-b", NAMESPACED, CLUSTER):
        plane.kubectl("create", "namespace", namespace)
    values = {
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
    questions = [*split(NEEDED, "team-a"), *split(OWN, release), "list nodes"]
    questions += split(NEEDED, "team-b") if release == CLUSTER else []

    answers = ask(installed, operator(release), questions)

    assert [] == [question for question, allowed in answers.items() if not allowed]


@pytest.mark.parametrize("release", [NAMESPACED, CLUSTER])
def test_the_operator_may_do_nothing_else(installed: BareControlPlane, release: str) -> None:
    """Given either scope, then the operator has no other right, and none in a namespace that it does not
    manage.
    """
    questions = [*split(NEVER, "team-a"), *split(NEVER, release), *split(NEVER_IN_THE_CLUSTER)]
    if release == NAMESPACED:
        questions += [*split(FOREIGN, "team-b"), *split(FOREIGN), *split(NEVER, "kube-system")]
        # Its own namespace is not among those that it manages.
        questions += [f"{each} in {release}" for each in ("get secrets other", "get configmaps", "list pods")]
        questions += [f"get coordination.k8s.io/leases other in {release}"]

    answers = ask(installed, operator(release), questions)

    assert len(questions) > 40
    assert [] == [question for question, allowed in answers.items() if allowed]


PEOPLE = {
    "view": ("list spiko.dev/architectures | watch spiko.dev/faults | get spiko.dev/architectures/status",
        "create spiko.dev/architectures | patch spiko.dev/architectures/scale | create spiko.dev/faults | get secrets"),
    "edit": ("create spiko.dev/architectures | delete spiko.dev/architectures | update spiko.dev/architectures/scale"
        "| patch spiko.dev/architectures | get spiko.dev/faults | list spiko.dev/faults",
        "create spiko.dev/faults | update spiko.dev/faults | patch spiko.dev/faults | delete spiko.dev/faults"
        "| deletecollection spiko.dev/faults | patch spiko.dev/architectures/status | patch spiko.dev/faults/status"),
    "admin": ("create spiko.dev/architectures | deletecollection spiko.dev/architectures | list spiko.dev/faults",
        "create spiko.dev/faults | patch spiko.dev/faults | delete spiko.dev/faults | patch spiko.dev/faults/status"),
    "spiko-viewer": ("get spiko.dev/architectures | list spiko.dev/faults", "create spiko.dev/architectures | list pods"),
    "spiko-editor": ("create spiko.dev/architectures | get spiko.dev/faults", "create spiko.dev/faults | list pods"),
    "spiko-chaos": ("create spiko.dev/faults | delete spiko.dev/faults | list spiko.dev/architectures",
        "create spiko.dev/architectures | patch spiko.dev/architectures | delete pods | create /pods/eviction"
        "| get secrets spiko-read | get /pods/proxy | patch spiko.dev/faults/status"),
    "spiko-stream": ("get /pods/proxy | list pods | get secrets spiko-read | get spiko.dev/architectures",
        "get secrets lamp-keys | list secrets | get secrets spiko-operator-key | create /pods/proxy | create /pods/exec"
        "| get pods | delete pods | create spiko.dev/faults | patch spiko.dev/architectures | patch secrets spiko-read"),
}  # fmt: skip


@pytest.mark.parametrize("role", PEOPLE)
def test_people_may_do_what_their_role_says(installed: BareControlPlane, role: str) -> None:
    """Given a user with a role in a namespace, then the user may do there what the role says, and nothing in
    another namespace.
    """
    user, (may, may_not) = f"user-of-{role}", PEOPLE[role]
    binding = ("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "-n", "team-a")
    installed.kubectl(*binding)
    wait_for_aggregation(installed)

    allowed = ask(installed, user, split(may, "team-a"))
    denied = ask(installed, user, [*split(may_not, "team-a"), *split(may, "team-b"), *split(may)])

    assert [] == [question for question, answer in allowed.items() if not answer]
    assert [] == [question for question, answer in denied.items() if answer]


def wait_for_aggregation(plane: BareControlPlane) -> None:
    """Wait until the built-in roles have the rules of the chart's."""
    end = time.monotonic() + 30
    while any(
        not any("spiko.dev" in rule.get("apiGroups", ()) for rule in plane.get("clusterrole", name)["rules"])
        for name in ("view", "edit", "admin")
    ):
        assert time.monotonic() < end, "the roles are not aggregated"
        time.sleep(0.1)

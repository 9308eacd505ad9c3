"""Invalid objects in the store stop neither the server nor the controllers."""

from __future__ import annotations

import pytest

from devserver_support.control import (
    Control,
    budget,
    conditions,
    control,
    definition,
    deployment,
    replica_set,
)
from kube_devserver.api_errors import StatusError
from kube_devserver.objects.kinds import (
    BUDGETS,
    DEFINITIONS,
    DEPLOYMENTS,
    NAMESPACES,
    REPLICA_SETS,
    Body,
    Kind,
)
from kube_devserver.storage.store import Store

TYPO = {"matchExpressions": [{"key": "app", "operator": "in", "values": ["a"]}]}


def stored(kind: Kind, *bodies: Body) -> Store:
    """A store with objects that validation refuses today."""
    store = Store(None)
    for body in bodies:
        metadata = {
            "uid": f"u-{body['metadata']['name']}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generation": 1,
        }
        name, namespace = body["metadata"]["name"], "" if kind == DEFINITIONS else "default"
        metadata |= body["metadata"] | ({"namespace": namespace} if namespace else {})
        store.put(kind, namespace, name, body | {"metadata": metadata})
    return store


async def deploy(made: Control) -> None:
    """Check that a new Deployment gets its pods."""
    made.create(DEPLOYMENTS, deployment())
    await made.settle()

    assert len(made.pods()) == 3


def test_a_budget_with_a_typo_breaks_nothing_else() -> None:
    """Given a selector that cannot be read, when pods come and go, then it matches none of them."""
    body = budget(selector=TYPO, minAvailable=1) | {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}

    control(deploy, stored(BUDGETS, body))


LIMITS = [("maxSurge", "lots"), ("maxUnavailable", "lots")]


@pytest.mark.parametrize(("name", "value"), LIMITS)
def test_a_deployment_with_an_invalid_limit_breaks_nothing_else(name: str, value: str) -> None:
    """Given an invalid limit, when the controllers run, then only that Deployment is stuck."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1, name: value}}
    body = deployment("broken", strategy=strategy) | {"apiVersion": "apps/v1", "kind": "Deployment"}

    control(deploy, stored(DEPLOYMENTS, body))


def nameless() -> Body:
    """A definition whose version has no name."""
    found = definition("gadgets", "Gadget") | {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
    }
    del found["spec"]["versions"][0]["name"]
    return found


def test_a_broken_definition_is_not_established() -> None:
    """Given a broken definition, when the controllers start, then it is not established and can be
    deleted.
    """

    async def scenario(made: Control) -> None:
        await deploy(made)
        broken = made.get(DEFINITIONS, "gadgets.example.dev")

        assert conditions(broken) == {"Established": "False"}
        assert broken is not None
        assert "spec.versions[0].name" in broken["status"]["conditions"][0]["message"]
        made.delete(DEFINITIONS, "gadgets.example.dev")
        await made.settle()
        assert made.get(DEFINITIONS, "gadgets.example.dev") is None

    control(scenario, stored(DEFINITIONS, nameless()))


def test_a_definition_of_a_built_in_kind_is_not_served_and_deletes_nothing() -> None:
    """Given a stored definition of `deployments.apps`, when it is deleted, then all Deployments stay."""
    body = definition("deployments", "Deployment", "apps")
    body |= {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}

    async def scenario(made: Control) -> None:
        await deploy(made)
        made.delete(DEFINITIONS, "deployments.apps")
        await made.settle()

        assert made.get(DEFINITIONS, "deployments.apps") is None
        assert made.names(DEPLOYMENTS) == ["a"]
        assert len(made.pods()) == 3

    control(scenario, stored(DEFINITIONS, body))


def test_the_first_definition_of_a_kind_is_served() -> None:
    """Given two definitions of one kind, when the first is deleted, then the second is served."""

    async def scenario(made: Control) -> None:
        made.create(DEFINITIONS, definition("gadgets", "Gadget"))
        made.create(DEFINITIONS, definition("gizmos", "Gadget"))
        await made.settle()
        first, second = (made.get(DEFINITIONS, f"{name}.example.dev") for name in ("gadgets", "gizmos"))

        assert conditions(first) == {"NamesAccepted": "True", "Established": "True"}
        assert conditions(second) == {"NamesAccepted": "False", "Established": "False"}
        assert made.verbs.registry.find("example.dev", "v1", "gizmos") is None
        made.delete(DEFINITIONS, "gadgets.example.dev")
        await made.settle()
        assert conditions(made.get(DEFINITIONS, "gizmos.example.dev")) == {
            "NamesAccepted": "True",
            "Established": "True",
        }
        assert made.verbs.registry.find("example.dev", "v1", "gizmos") is not None

    control(scenario)


def test_a_definition_cannot_take_the_name_of_a_built_in_kind() -> None:
    """Given a definition that claims a built-in name, when it is created, then its names are not accepted."""
    body = definition("leases", "Lease", "coordination.k8s.io")
    body["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, a test"}

    async def scenario(made: Control) -> None:
        made.start_node("n")
        made.create(DEFINITIONS, body)
        await made.settle()

        assert conditions(made.get(DEFINITIONS, "leases.coordination.k8s.io"))["NamesAccepted"] == "False"
        made.delete(DEFINITIONS, "leases.coordination.k8s.io")
        await made.settle()
        assert made.get(DEFINITIONS, "leases.coordination.k8s.io") is None
        assert len(made.store.entries(("coordination.k8s.io", "leases"))) == 1

    control(scenario)


def test_system_namespaces_cannot_be_deleted() -> None:
    """Given the system's namespaces, when they are deleted, then three refuse and the leases' one returns."""

    async def scenario(made: Control) -> None:
        for name in ("default", "kube-system", "kube-public"):
            with pytest.raises(StatusError, match="this namespace may not be deleted"):
                made.delete(NAMESPACES, name)
        made.delete(NAMESPACES, "kube-node-lease")
        await made.settle()
        entry = made.store.get(NAMESPACES, "", "kube-node-lease")

        assert entry is not None
        assert entry.body["status"] == {"phase": "Active"}

    control(scenario)


REFUSED: list[tuple[Kind, Body, str]] = [
    (DEPLOYMENTS, deployment(selector=TYPO), "not a valid selector operator"),
    (REPLICA_SETS, replica_set(selector=TYPO), "not a valid selector operator"),
    (BUDGETS, budget(selector=TYPO), "not a valid selector operator"),
    (BUDGETS, budget(minAvailable="abc"), "a valid percent string"),
    (DEPLOYMENTS, deployment(strategy={"type": "Sideways"}), 'supported values: "Recreate", "RollingUpdate"'),
    (
        DEFINITIONS,
        definition("deployments", "Deployment", "apps"),
        "should be a domain with at least one dot",
    ),
    (DEFINITIONS, nameless(), r"spec.versions\[0\].name"),
]


@pytest.mark.parametrize(("kind", "body", "text"), REFUSED, ids=[f"{row[0][1]}: {row[2]}" for row in REFUSED])
def test_objects_that_controllers_cannot_process_are_refused(kind: Kind, body: Body, text: str) -> None:
    """Given an invalid object, when it is created, then the answer is 422 and nothing is stored."""

    async def scenario(made: Control) -> None:
        with pytest.raises(StatusError, match=text) as caught:
            made.create(kind, body)

        assert caught.value.code == 422
        assert made.names(kind) == []

    control(scenario)

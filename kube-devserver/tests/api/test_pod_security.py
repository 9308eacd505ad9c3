"""Pod Security: which pods a level refuses, in which words, and what labels of a namespace mean."""

from __future__ import annotations

from typing import Any

import pytest

from kube_devserver.api.pod_security import (
    BASELINE,
    RESTRICTED,
    Level,
    policy_of,
    spell,
    violations,
    warnings_for_namespace,
)

GOOD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"name": "c", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}


def container(**context: Any) -> dict[str, Any]:
    """A pod whose container has this security context besides."""
    whole = GOOD["containers"][0]["securityContext"] | context
    return GOOD | {"containers": [{"name": "c", "securityContext": whole}]}


@pytest.mark.parametrize("level", [BASELINE, RESTRICTED])
def test_a_strict_pod_is_fine(level: str) -> None:
    """What sets all that restricted asks for passes."""
    assert [] == violations(Level(level), {}, GOOD)


CASES = {
    "no escalation said": (
        GOOD | {"containers": [{"name": "c", "securityContext": {"capabilities": {"drop": ["ALL"]}}}]},
        RESTRICTED,
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
    ),
    "privileged": (
        container(privileged=True),
        BASELINE,
        'privileged (container "c" must not set securityContext.privileged=true)',
    ),
    "capability": (
        container(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}),
        RESTRICTED,
        'unrestricted capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
    ),
    "capability, baseline": (
        container(capabilities={"add": ["NET_ADMIN"]}),
        BASELINE,
        'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
    ),
    "host": (
        GOOD | {"hostNetwork": True, "hostPID": True},
        BASELINE,
        "host namespaces (hostNetwork=true, hostPID=true)",
    ),
    "path": (
        GOOD | {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
        RESTRICTED,
        'restricted volume types (volume "v" uses restricted volume type "hostPath")',
    ),
    "path, baseline": (
        GOOD | {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
        BASELINE,
        'hostPath volumes (volume "v")',
    ),
    "port": (
        GOOD | {"containers": [GOOD["containers"][0] | {"ports": [{"containerPort": 1, "hostPort": 80}]}]},
        BASELINE,
        'hostPort (container "c" uses hostPort 80)',
    ),
    "root": (container(runAsUser=0), RESTRICTED, 'runAsUser=0 (container "c" must not set runAsUser=0)'),
    "non-root": (
        GOOD | {"securityContext": {"seccompProfile": {"type": "Localhost"}}},
        RESTRICTED,
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
    ),
    "seccomp": (
        container(seccompProfile={"type": "Unconfined"}),
        BASELINE,
        'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
    "sysctl": (
        GOOD | {"securityContext": GOOD["securityContext"] | {"sysctls": [{"name": "kernel.msgmax"}]}},
        BASELINE,
        "forbidden sysctls (kernel.msgmax)",
    ),
    "proc": (
        container(procMount="Unmasked"),
        BASELINE,
        'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_violation_is_named_in_kubernetes_words(name: str) -> None:
    """One fault, one reason with its detail."""
    pod, level, expected = CASES[name]

    assert expected == spell(violations(Level(level), {}, pod))


def test_an_older_version_knows_fewer_rules() -> None:
    """Dropping all capabilities is asked for since 1.22."""
    pod = container(capabilities={"drop": []})

    assert "unrestricted capabilities" in spell(violations(Level(RESTRICTED, 22), {}, pod))
    assert [] == violations(Level(RESTRICTED, 21), {}, pod)


def test_bad_labels_are_as_strict_as_can_be() -> None:
    """A level that does not exist enforces restricted, and is reported."""
    policy, causes = policy_of({"pod-security.kubernetes.io/enforce": "nonsense"})

    assert "restricted:latest" == str(policy.enforce)
    assert ["metadata.labels[pod-security.kubernetes.io/enforce]"] == [cause.field for cause in causes]


def test_existing_pods_are_counted_by_what_they_violate() -> None:
    """A level that is raised warns of what is there, not of each pod alone."""
    pods = [{"metadata": {"name": name}, "spec": container(privileged=True)} for name in ("b", "a", "c")]

    lines = warnings_for_namespace("n", Level(BASELINE), pods)

    assert [
        'existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 2 other pods): privileged",
    ] == lines

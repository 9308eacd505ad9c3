"""The rules on spec.runtime: keys of maps, label values, names of Secrets."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_operator.plan.validation.checks import check
from tests.support.manifests import manifest, tier

R = "spec.runtime"
VALID = {
    "imagePullSecrets": [{"name": "registry"}, {"name": "mirror.example"}],
    "nodeSelector": {"disk": "ssd", "node-role.kubernetes.io/worker": "", "spiko.dev/pool": "a"},
    "labels": {"team": "shop", "example.com/cost.center": "A_1"},
    "annotations": {"Example.com/Note": "any text, also: this", "sidecar.istio.io/inject": ""},
    "priorityClassName": "low.priority",
    "otlpSecretName": "collector",
}
ROWS: list[tuple[dict[str, Any], str, str, str, str]] = [
    (
        {"nodeSelector": {"topology.kubernetes.io/zone": "a"}},
        "ReservedKey",
        f"{R}.nodeSelector",
        "zone",
        "topology",
    ),
    (
        {"nodeSelector": {"topology.kubernetes.io/region": "a"}},
        "ReservedKey",
        f"{R}.nodeSelector",
        "region",
        "topology",
    ),
    ({"nodeSelector": {"a b": "c"}}, "BadKey", f"{R}.nodeSelector", '"a b"', "PREFIX"),
    ({"nodeSelector": {"disk": "-"}}, "BadName", f"{R}.nodeSelector.disk", "label value", "starting"),
    ({"nodeSelector": {"a.b/c": "-"}}, "BadName", f"{R}.nodeSelector[a.b/c]", "label value", "starting"),
    (
        {"labels": {"spiko.dev/tier": "db"}},
        "ReservedKey",
        f"{R}.labels",
        "spiko.dev/tier",
        "not begin with spiko.dev/",
    ),
    (
        {"labels": {"spiko.dev/mine": "x"}},
        "ReservedKey",
        f"{R}.labels",
        "spiko.dev/mine",
        "not begin with spiko.dev/",
    ),
    ({"labels": {"pod-template-hash": "x"}}, "ReservedKey", f"{R}.labels", "by Kubernetes", "another key"),
    ({"labels": {"Example.com/a": "x"}}, "BadKey", f"{R}.labels", "key of a label", "PREFIX"),
    ({"labels": {"/a": "x"}}, "BadKey", f"{R}.labels", "key of a label", "PREFIX"),
    ({"labels": {"a/": "x"}}, "BadKey", f"{R}.labels", "key of a label", "PREFIX"),
    ({"labels": {"a" * 64: "x"}}, "BadKey", f"{R}.labels", "key of a label", "PREFIX"),
    ({"labels": {"team": True}}, "WrongType", f"{R}.labels.team", "must be a string", "type"),
    (
        {"labels": {f"k{i}": "" for i in range(17)}},
        "TooLong",
        f"{R}.labels",
        "17 entries: must have at most 16",
        "",
    ),
    ({"annotations": {"spiko.dev/a": ""}}, "ReservedKey", f"{R}.annotations", "spiko.dev/a", "spiko.dev/"),
    (
        {"annotations": {"kubectl.kubernetes.io/restartedAt": ""}},
        "ReservedKey",
        f"{R}.annotations",
        "rollout",
        "key",
    ),
    ({"annotations": {"a": "x" * 1025}}, "TooLong", f"{R}.annotations.a", "1025 characters", ""),
    (
        {"imagePullSecrets": [{"name": "a"}, {"name": "a"}]},
        "DuplicateSecret",
        f"{R}.imagePullSecrets[1].name",
        '"a"',
        "Remove",
    ),
    (
        {"imagePullSecrets": [{"name": "A"}]},
        "BadName",
        f"{R}.imagePullSecrets[0].name",
        "not a valid name",
        "",
    ),
    ({"imagePullSecrets": ["a"]}, "WrongType", f"{R}.imagePullSecrets[0]", "must be an object", ""),
    (
        {"priorityClassName": "a_b"},
        "BadName",
        f"{R}.priorityClassName",
        "not a valid priorityClassName",
        "lower-case",
    ),
    ({"otlpSecretName": "a/b"}, "BadName", f"{R}.otlpSecretName", "not a valid otlpSecretName", "lower-case"),
    ({"imagePullSecret": []}, "UnknownField", f"{R}.imagePullSecret", "unknown field", "imagePullSecrets"),
]


def test_valid_fields_have_no_findings() -> None:
    """Given every field with values that Kubernetes takes, then there are no findings."""
    assert [] == check(manifest(tier(), runtime=VALID))


@pytest.mark.parametrize(
    ("runtime", "reason", "path", "text", "hint"), ROWS, ids=lambda value: str(value)[:40]
)
def test_a_finding_names_field_value_and_remedy(
    runtime: dict[str, Any], reason: str, path: str, text: str, hint: str
) -> None:
    """Given a value that is not valid, then there is one error with field, value and remedy."""
    (finding,) = check(manifest(tier(), runtime=runtime))

    assert (reason, path, "error") == (finding.reason, finding.path, finding.severity.value)
    assert text in finding.message
    assert hint in finding.hint


@pytest.mark.parametrize(
    "value", [None, 7, [], "a", {"a": None}, {"labels": 7}, {"imagePullSecrets": {"a": 1}}]
)
def test_values_of_other_types_have_a_finding_or_none(value: Any) -> None:
    """Given a runtime of another type, then the rules on it do not raise."""
    assert all(finding.path.startswith(R) for finding in check(manifest(tier(), runtime=value)))

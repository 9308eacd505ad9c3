"""All findings about a manifest at once; no document raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiko_nanoservice.contract import Package
from spiko_nanoservice.roles.registry import make_role
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.validation.checks import check, check_spec
from spiko_operator.plan.validation.rule import Severity
from tests.support.manifests import manifest, split, tier, two

LOGNORMAL = {"medianMicroseconds": 5, "p99Microseconds": 9}


def test_all_violations_are_reported_at_once() -> None:
    """Given a manifest with six violations, then there are six findings."""
    body = manifest(tier("a.b", "stoe", -1, dependencies=["x"]), name="Lamp", scale=0)

    assert {"BadName", "UnknownValue", "OutOfRange", "UnknownDependency", "BadObjectName"} <= {
        f.reason for f in check(body)
    }


def test_valid_manifest_has_no_findings() -> None:
    """Given a valid manifest, then there are no findings."""
    assert check(manifest(tier(behavior={"serviceTime": {"lognormal": LOGNORMAL}}))) == []
    assert check(manifest(tier(versions=two(), routing=split(("1.0.0", 9_999), ("1.1.0", 1))))) == []


@pytest.mark.parametrize("package", Package)
def test_every_package_has_a_role(package: Package) -> None:
    """Given a package of the resource, then the operator accepts it and the nanoservice has its role."""
    body = manifest(tier(package=package.value))
    spec = ArchitectureSpec.model_validate(body["spec"], strict=False)

    assert [] == [f for f in (*check(body), *check_spec("lamp", spec)) if f.severity is Severity.ERROR]
    assert make_role(package) is not None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


keys = st.sampled_from(
    [
        "services",
        "name",
        "package",
        "count",
        "versions",
        "routing",
        "split",
        "version",
        "behavior",
        "delay",
        "victim",
        "topology",
    ]
)


almost = st.recursive(
    anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=30,
)


@given(anything, almost)
def test_check_never_raises(document: Any, spec: Any) -> None:
    """Given any document that YAML can express, then `check` returns findings."""
    check(document)
    check(
        {"apiVersion": "spiko.dev/v1alpha1", "kind": "Architecture", "metadata": {"name": "a"}, "spec": spec}
    )
    check({"apiVersion": "spiko.dev/v1alpha1", "kind": "Fault", "metadata": {"name": "a"}, "spec": spec})

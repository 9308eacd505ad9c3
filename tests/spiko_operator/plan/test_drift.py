"""What counts as a difference between an observed and a desired object, and the patch that removes it."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_operator.plan.defaults import with_defaults
from spiko_operator.plan.drift import find_drift

Object = dict[str, Any]
OWNER = {"uid": "u1", "controller": True}
BODY: Object = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "a", "labels": {"spiko.dev/tier": "db"}, "ownerReferences": [OWNER]},
    "data": {"key": "eA=="},
}


def found(**changes: Any) -> Object:
    """Return the stored object with other top-level fields or metadata."""
    metadata = BODY["metadata"] | {"uid": "s", "resourceVersion": "7"} | changes.pop("metadata", {})
    return BODY | {"type": "Opaque", "metadata": metadata} | changes


CASES = [
    pytest.param(found(), None, id="equal, with a default"),
    pytest.param(found(immutable=None, status={"a": 1}), None, id="null, and a status"),
    pytest.param(found(type="other"), {"type": None}, id="another value than the default"),
    pytest.param(found(immutable=False), {"immutable": None}, id="a field that is not desired"),
    pytest.param(found(data={"key": "eQ==", "b": "eA=="}), {"data": {"key": "eA==", "b": None}}, id="values"),
    pytest.param(found(data=None), {"data": {"key": "eA=="}}, id="a missing field"),
    pytest.param(
        found(metadata={"labels": {"team": "x", "spiko.dev/tier": "db"}, "annotations": {"other/a": "b"}}),
        None,
        id="labels and annotations of others",
    ),
    pytest.param(
        found(metadata={"labels": {"team": "x", "spiko.dev/zone": "z"}}),
        {"metadata": {"labels": {"spiko.dev/tier": "db", "spiko.dev/zone": None}}},
        id="labels of ours",
    ),
    pytest.param(
        found(metadata={"ownerReferences": [{"uid": "u2"}]}),
        {"metadata": {"ownerReferences": [{"uid": "u2"}, OWNER]}},
        id="another owner stays",
    ),
    pytest.param(
        found(metadata={"ownerReferences": [{"uid": "gone", "controller": True}]}),
        {"metadata": {"ownerReferences": [OWNER]}},
        id="another controller gives way",
    ),
]


@pytest.mark.parametrize(("observed", "patch"), CASES)
def test_the_patch_has_the_differences_only(observed: Object, patch: Object | None) -> None:
    """Given an observed object, then the patch removes what is not desired, and nothing else."""
    drift = find_drift(BODY, with_defaults(BODY), observed)

    assert patch == (drift.patch if drift is not None else None)

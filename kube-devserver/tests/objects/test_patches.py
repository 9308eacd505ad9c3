"""Strategic merge patches of long lists."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kube_devserver.objects.patches import strategic_patch
from kube_devserver.objects.resource_registry import Registry
from kube_devserver.objects.schema import Node

MANY = 20_000


def node_of(plural: str) -> Node:
    """A kind's schema."""
    found = Registry().find("", "v1", plural)
    assert found is not None
    return found.node


def pod(env: list[dict[str, Any]]) -> dict[str, Any]:
    """A pod of one container."""
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "env": env}]}}


@pytest.mark.long
def test_long_lists_are_merged_in_bounded_time() -> None:
    """Given two lists of twenty thousand items, when they are merged, then items are found by their keys."""
    body = pod([{"name": f"N{i}", "value": "old"} for i in range(MANY)])
    patch = pod([{"name": f"N{i}", "value": "new"} for i in range(MANY // 2, MANY * 3 // 2)])
    began = time.process_time()
    env = strategic_patch(node_of("pods"), body, patch)["spec"]["containers"][0]["env"]

    assert MANY * 3 // 2 == len(env)
    assert MANY == sum(each["value"] == "new" for each in env)
    assert time.process_time() - began < 10.0


def test_long_primitive_lists_are_merged_in_bounded_time() -> None:
    """Given long lists of finalizers, when some are added and deleted, then it takes bounded time."""
    body = {"metadata": {"finalizers": [f"x/{i}" for i in range(MANY)]}}
    more = {"metadata": {"finalizers": [f"x/{i}" for i in range(MANY // 2, MANY * 3 // 2)]}}
    less = {"metadata": {"$deleteFromPrimitiveList/finalizers": [f"x/{i}" for i in range(MANY // 2)]}}
    began = time.process_time()
    merged = strategic_patch(node_of("pods"), body, more)["metadata"]["finalizers"]
    left = strategic_patch(node_of("pods"), body, less)["metadata"]["finalizers"]

    assert (MANY * 3 // 2, MANY // 2) == (len(merged), len(left))
    assert time.process_time() - began < 10.0


def test_items_are_deleted_changed_and_added_by_their_key() -> None:
    """Given one patch that deletes, changes and adds, when it is applied, then a recreated item comes
    last.
    """
    body = pod([{"name": "a", "value": "1"}, {"name": "b", "value": "1"}])
    patch = pod(
        [
            {"name": "a", "$patch": "delete"},
            {"name": "c", "value": "3"},
            {"name": "b", "value": "2"},
            {"name": "a", "value": "4"},
        ]
    )
    env = strategic_patch(node_of("pods"), body, patch)["spec"]["containers"][0]["env"]

    assert {"a": "4", "b": "2", "c": "3"} == {each["name"]: each["value"] for each in env}

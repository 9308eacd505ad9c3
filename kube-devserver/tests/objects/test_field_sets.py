"""Comparing two objects for field management: only what differs is reported."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from kube_devserver.objects import field_sets
from kube_devserver.objects.field_sets import Fields
from kube_devserver.objects.schema import built_in

NODE = built_in("apis/apps/v1", "Deployment")
FREE = [True, 1, 0, False, "", "x", None, [], {}, [1], {"a": 1}, {"a": {"b": True}}]


def whole_comparison(old: Any, new: Any) -> tuple[Fields, Fields]:
    """Compare all places of both objects."""
    before, after = field_sets.places(NODE, old), field_sets.places(NODE, new)
    same = {path for path, value in after.items() if path in before and is_same(before[path], value)}
    return frozenset(after.keys() - same - {()}), frozenset(before.keys() - after.keys())


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal; true does not equal 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def some_object(source: random.Random) -> dict[str, Any]:
    """Return a Deployment with few containers, labels, finalizers and annotations."""
    containers: list[Any] = [
        {"name": source.choice("xyz"), "image": source.choice("12"), "args": source.choice([[], ["-a"]]),
         "ports": [{"containerPort": port, "protocol": "TCP"} for port in source.sample([80, 81], 1)]}
        for _ in range(source.randint(0, 3))
    ]  # fmt: skip
    metadata = {
        "labels": {key: source.choice("12") for key in source.sample("ab", source.randint(0, 2))},
        "finalizers": source.sample(["a/b", "c/d"], source.randint(0, 2)),
        "annotations": source.choice(FREE),
    }
    return {
        "metadata": metadata,
        "spec": source.choice([{"template": {"spec": {"containers": containers}}}, {}]),
    }


@pytest.mark.parametrize("seed", range(200))
def test_shared_parts_change_no_difference(seed: int) -> None:
    """Given two objects that may share parts, when they are compared, then the result is that of comparing
    everything.
    """
    source = random.Random(seed)
    old = some_object(source)
    new = copy.deepcopy(old) if source.random() < 0.2 else some_object(source)
    for name in source.sample(["metadata", "spec"], source.randint(0, 2)):
        new[name] = old[name]

    assert field_sets.changed(NODE, old, new) == whole_comparison(old, new)

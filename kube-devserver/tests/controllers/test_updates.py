"""Updates share what they do not change with the stored object, and never change that in place."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from devserver_support.control import NAMESPACE, Control, budget, control, deployment, pod
from kube_devserver.api.options import Options, Target
from kube_devserver.api.verbs import MERGE
from kube_devserver.objects.kinds import (
    BUDGETS,
    DEPLOYMENTS,
    PODS,
    SECRETS,
    SERVICES,
    Body,
    Kind,
)

OBJECTS: list[tuple[Kind, Body, Body]] = [
    (SECRETS, {"metadata": {"name": "a"}, "data": {"a": "YQ=="}}, {"stringData": {"a": "b", "b": "c"}}),
    (PODS, pod("a"), {"spec": {"tolerations": None}}),
    (PODS, pod("a"), {"metadata": {"labels": {"app": "b"}}}),
    (
        SERVICES,
        {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}},
        {"spec": {"selector": {"a": "b"}}},
    ),
    (SERVICES, {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}, {"spec": {"clusterIP": None}}),
    (DEPLOYMENTS, deployment(), {"spec": {"strategy": None}}),
    (BUDGETS, budget(maxUnavailable=1), {"metadata": {"labels": {"app": "b"}}}),
]


@pytest.mark.parametrize(("kind", "body", "patch"), OBJECTS)
def test_a_patch_leaves_the_former_state_as_it_was(kind: Kind, body: Body, patch: dict[str, Any]) -> None:
    """Given a stored object, when a patch changes it, then its former state is unchanged."""

    async def scenario(made: Control) -> None:
        made.create(kind, body)
        await made.settle()
        before = made.store.get(kind, NAMESPACE, "a")
        resource = made.verbs.registry.stored(kind)
        assert before is not None
        assert resource is not None
        options = Options(manager="test", dry_run=True)
        made.verbs.patch(Target(resource, NAMESPACE, "a"), MERGE, patch, options)

        assert before.body == orjson.loads(before.raw)

    control(scenario)

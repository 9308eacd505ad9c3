"""The list of nodes that decides when Architectures are reconciled."""

from __future__ import annotations

from typing import Any

from spiko_operator.handlers.architecture import reconcile
from spiko_operator.node_list import NodeList
from spiko_operator.plan.nodes import CORDON
from tests.spiko_operator.handlers.test_refused import KEY, Api, RunningOperator

Object = dict[str, Any]


class NodeApi(Api):
    """An API server with one node."""

    def __init__(self) -> None:
        super().__init__()
        self.node: Object = {"metadata": {"name": "one", "labels": {}}, "spec": {}}

    async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """Return the node."""
        return [self.node] if kind == "Node" else []


async def test_a_node_that_a_new_architecture_has_seen_is_a_change_for_all_others() -> None:
    """Given a node that is cordoned after the last list, when the first pass of an Architecture reads it,
    then the next list reports a change, so that the others are reconciled as well; the one after does not.
    """
    api = NodeApi()
    running = RunningOperator(api)
    nodes = NodeList(running.context)
    assert await nodes.refresh()
    api.node["spec"] = {"unschedulable": True}
    running.put("one")
    await reconcile(running.context, KEY)
    assert [CORDON] == [taint.key for node in running.context.nodes for taint in node.taints]

    assert await nodes.refresh()
    assert not await nodes.refresh()

"""Lists the nodes for all Architectures. They are not watched, because they report their status too often."""

from __future__ import annotations

from spiko_operator.context import Context
from spiko_operator.handlers.architecture import read_nodes
from spiko_operator.plan.nodes import Node


class NodeList:
    """The nodes that every Architecture was reconciled with.

    `Context.nodes` may be newer: the first pass of an Architecture lists the nodes too, for itself.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._listed: tuple[Node, ...] = ()

    async def refresh(self) -> bool:
        """List the nodes; return whether they differ from those of the last call.

        Raises:
            ClusterError: the API server did not answer.
        """
        before = self._listed
        self._listed = self._context.nodes = await read_nodes(self._context.client)
        return before != self._listed

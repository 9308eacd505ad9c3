"""Power of nodes: the file in which a kubelet records nodes that are off, and the client of `spiko node`."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp

from spiko_local.api_client import LONGEST_REPLY
from spiko_local.components import KUBELET_PORT
from spiko_local.errors import LocalError
from spiko_local.health import build_context
from spiko_local.home import Home, write_atomically
from spiko_local.nodes import Node
from spiko_local.objects import shorten

ANSWER_S = 20.0


class PowerState:
    """Which nodes are off, as the next kubelet finds it, too.

    Args:
        path: of the file, which exists once a node was switched.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.off = frozenset(str(name) for name in json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            self.off = frozenset()

    def switch(self, name: str, on: bool) -> None:
        """Record whether a node is on."""
        self.off = self.off - {name} if on else self.off | {name}
        write_atomically(self._path, json.dumps(sorted(self.off)))


def read_power(home: Home) -> PowerState:
    """Return what the kubelet of a home has recorded."""
    return PowerState(home.kubelet / "off.json")


async def switch_node(home: Home, nodes: tuple[Node, ...], name: str, on: bool) -> None:
    """Cut a node's power or restore it; return when that is done.

    Args:
        home: of the cluster.
        nodes: of the cluster.
        name: of the node.
        on: True restores the power.

    Raises:
        NotUp: no local cluster is running.
        LocalError: the node does not exist, or the kubelet does not answer.
    """
    home.require_state()
    if name not in {node.name for node in nodes}:
        raise LocalError(f'node "{name}" not found; the nodes are {", ".join(node.name for node in nodes)}')
    url = f"https://{nodes[0].address}:{KUBELET_PORT}/nodes/{name}/{'start' if on else 'stop'}"
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, ssl=build_context(home.pki)) as reply,
        ):
            if reply.status != 200:
                text = shorten(await reply.text(), LONGEST_REPLY)
                raise LocalError(f'node "{name}": the kubelet answered {reply.status}: {text}')
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise LocalError(
            f'node "{name}": the kubelet does not answer: {error!r}; check `spiko status`'
        ) from error

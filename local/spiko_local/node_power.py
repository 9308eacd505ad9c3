"""Nodes that are off: written down where a kubelet that was killed finds it, and how `spiko node` asks for it."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp

from spiko_local.components import KUBELET_PORT
from spiko_local.errors import LocalError, NotUp
from spiko_local.health import build_context
from spiko_local.home import Home, write_atomically
from spiko_local.nodes import Node

ASK_S = 20.0


class Power:
    """Which nodes are off.

    Args:
        path: of the file; made when one is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.off = frozenset(str(name) for name in json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            self.off = frozenset()

    def switch(self, name: str, on: bool) -> None:
        """Remember one node's state."""
        self.off = self.off - {name} if on else self.off | {name}
        write_atomically(self._path, json.dumps(sorted(self.off)))


def read_power(home: Home) -> Power:
    """What the kubelet of a home has written down."""
    return Power(home.kubelet / "off.json")


async def switch_node(home: Home, nodes: tuple[Node, ...], name: str, on: bool) -> None:
    """Ask the kubelet to cut a node's power, or to give it back; returns when that is done.

    Raises:
        NotUp: no local cluster is up.
        LocalError: there is no such node, or the kubelet does not answer.
    """
    if home.read_state() is None:
        raise NotUp(f"no local cluster is up (looked in {home.path}); `spiko up` starts one")
    if name not in {node.name for node in nodes}:
        raise LocalError(f"{name}: no such node; there are {', '.join(node.name for node in nodes)}")
    url = f"https://{nodes[0].address}:{KUBELET_PORT}/nodes/{name}/{'start' if on else 'stop'}"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_S)) as session,
            session.post(url, ssl=build_context(home.pki)) as reply,
        ):
            if reply.status != 200:
                raise LocalError(f"{name}: the kubelet answers {reply.status}: {(await reply.text())[:300]}")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise LocalError(f"{name}: the kubelet does not answer: {error!r}; `spiko status` says how it is") from error

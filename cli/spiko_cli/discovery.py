"""The graph of a running architecture: pairs in routing tables that callers have acknowledged."""

from __future__ import annotations

from collections.abc import Sequence

from spiko_cli.eurekas import Target, open_eurekas
from spiko_local.objects import Object, status_of
from spiko_operator.plan.graph import Graph, Node, node_name
from spiko_operator.plan.topology import ANYWHERE


async def discover(target: Target) -> Graph:
    """Return the graph that callers have acknowledged.

    Raises:
        ClusterError: a eureka of the architecture does not answer.
    """
    async with open_eurekas(target) as (architecture, eurekas):
        answers = await eurekas.ask("edges")
        regions = status_of(architecture).get("regions") or []
    services = (architecture.get("spec") or {}).get("services") or ()
    several = frozenset(service["name"] for service in services if len(service.get("versions") or ()) > 1)
    return merge(target.name, answers, {region["name"]: region["zones"] for region in regions}, several)


def merge(
    architecture: str, answers: Sequence[Object], zones: dict[str, list[str]], several: frozenset[str]
) -> Graph:
    """Return one graph from the answers of all eurekas; a pod that registers in several regions is one node.

    Args:
        architecture: its name.
        answers: of all eurekas to the message `edges`.
        zones: of each region, in order.
        several: tiers that declare more than one version, whether their pods run or not. Nodes of those are
            named with their version, as the prediction does it.
    """
    entries = {entry["id"]: entry for answer in answers for entry in answer["nodes"]}
    named = {id: _node(architecture, entry, zones, several) for id, entry in sorted(entries.items())}
    pairs = {(a, b) for answer in answers for a, b in answer["edges"] if a in named and b in named}
    return Graph(tuple(named.values()), tuple(sorted((named[a].name, named[b].name) for a, b in pairs)))


def _node(architecture: str, entry: Object, zones: dict[str, list[str]], several: frozenset[str]) -> Node:
    order = zones.get(entry["region"], [])
    width = max(1, len(order)) if entry["zone"] != ANYWHERE else 1
    offset = order.index(entry["zone"]) if entry["zone"] in order else 0
    label = entry["version"] if entry["tier"] in several else ""
    place = (architecture, entry["region"], entry["zone"], entry["tier"])
    if entry["slot"] is None:
        name = f"{'.'.join(place)}?{entry['name'][-5:]}"  # a pod without a slot has no number
    else:
        name = node_name(*place, entry["slot"] * width + offset, label)
    return Node(name, entry["tier"], entry["package"], entry["version"], entry["region"], entry["zone"])

"""`spiko graph`: nodes and edges, predicted from a file or discovered in a cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from spiko_cli.completion import architectures
from spiko_cli.errors import SpikoError
from spiko_cli.eurekas import Target, open_eurekas
from spiko_cli.manifests import read_files
from spiko_cli.options import cluster_options
from spiko_local.errors import LocalError
from spiko_local.nodes import read_nodes
from spiko_operator.api.architecture import KIND, ArchitectureSpec
from spiko_operator.plan.graph import Graph, Node, node_name, predict
from spiko_operator.plan.topology import ANYWHERE, choose, from_labels, wanted_regions
from spiko_operator.plan.validation.rules import Severity


@click.command(short_help="Nodes and edges.")
@click.argument("name", required=False, shell_complete=architectures)
@click.option(
    "-f", "--file", "files", multiple=True, type=click.Path(), help="Predict from this file; - for standard input."
)
@click.option("--json", "as_json", is_flag=True, help="Lists `nodes` and `edges` with `source` and `target`.")
@click.option(
    "--nodes", type=click.Path(path_type=Path), help="With -f: take regions and zones from this kind configuration."
)
@cluster_options
def command(
    name: str | None, files: tuple[str, ...], as_json: bool, nodes: Path | None,
    namespace: str, context: str | None, kubeconfig: str | None, reach: Any,
) -> None:  # fmt: skip
    """Nodes and edges of an architecture: with -f FILE predicted offline, with NAME discovered in a cluster.

    A discovered edge is a pair in a routing table that the caller acknowledged.
    """
    if bool(name) == bool(files):
        raise SpikoError("graph: give either -f FILE (predicted) or NAME (discovered)")
    if name:
        graphs = [asyncio.run(discover(Target(name, namespace, context, kubeconfig, reach)))]
    else:
        graphs = predict_files(files, nodes)
    for graph in graphs:
        click.echo(json.dumps(to_json(graph), indent=1) if as_json else render(graph))


def predict_files(files: tuple[str, ...], nodes: Path | None) -> list[Graph]:
    """The graphs of all Architectures in files.

    Raises:
        SpikoError: one of them cannot be predicted.
    """
    try:
        labelled = from_labels([node.labels for node in read_nodes(nodes)]) if nodes else {}
    except LocalError as error:
        raise SpikoError(str(error)) from error
    found = []
    for manifest in read_files(files):
        errors = [f for f in manifest.findings() if f.severity is Severity.ERROR]
        if errors:
            line, column = manifest.position(errors[0].path)
            path = f" {errors[0].path}:" if errors[0].path and not errors[0].path.startswith("#") else ""
            more = f"; `spiko lint` shows all {len(errors)} errors" if errors[1:] else ""
            raise SpikoError(f"{manifest.file}:{line}:{column}:{path} {errors[0].message}{more}")
        document = manifest.document
        if document.get("kind") != KIND:
            continue
        try:
            spec = ArchitectureSpec.model_validate(document["spec"], strict=False)
        except ValidationError as error:
            raise SpikoError(f"{manifest.file}: {error.errors()[0]['msg']}; `spiko lint` says more") from error
        topology = choose(spec.topology, labelled, wanted_regions(spec.services))
        found.append(predict(document["metadata"]["name"], spec, topology))
    if not found:
        raise SpikoError(f"{', '.join(files)}: no Architecture in there")
    return found


async def discover(target: Target) -> Graph:
    """The graph as callers have acknowledged it."""
    async with open_eurekas(target) as (architecture, eurekas):
        answers = await eurekas.ask("/edges")
        regions = (architecture.get("status") or {}).get("regions") or []
    services = (architecture.get("spec") or {}).get("services") or ()
    several = frozenset(service["name"] for service in services if len(service.get("versions") or ()) > 1)
    return merge(target.name, answers, {region["name"]: region["zones"] for region in regions}, several)


def merge(
    architecture: str, answers: Sequence[dict[str, Any]], zones: dict[str, list[str]], several: frozenset[str]
) -> Graph:
    """One graph of what the eurekas say; a pod that registers in several regions is one node.

    Args:
        architecture: its name.
        answers: of all eurekas to /edges.
        zones: of each region, in order.
        several: tiers that declare more than one version, whether their pods run or not: those are named with it, as the prediction does.
    """
    entries = {entry["id"]: entry for answer in answers for entry in answer["nodes"]}
    named = {}
    for id, entry in sorted(entries.items()):
        order = zones.get(entry["region"], [])
        width = max(1, len(order)) if entry["zone"] != ANYWHERE else 1
        offset = order.index(entry["zone"]) if entry["zone"] in order else 0
        label = entry["version"] if entry["tier"] in several else ""
        place = (architecture, entry["region"], entry["zone"], entry["tier"])
        if entry["slot"] is None:
            name = f"{'.'.join(place)}?{entry['name'][-5:]}"  # a spare: it has no number
        else:
            name = node_name(*place, entry["slot"] * width + offset, label)
        named[id] = Node(name, entry["tier"], entry["package"], entry["version"], entry["region"], entry["zone"])
    pairs = {(a, b) for answer in answers for a, b in answer["edges"] if a in named and b in named}
    return Graph(tuple(named.values()), tuple(sorted((named[a].name, named[b].name) for a, b in pairs)))


def to_json(graph: Graph) -> dict[str, Any]:
    """Plain values."""
    return {
        "nodes": [
            {
                "name": n.name,
                "tier": n.tier,
                "package": n.package,
                "version": n.version,
                "region": n.region,
                "zone": n.zone,
            }
            for n in graph.nodes
        ],
        "edges": [{"source": source, "target": target} for source, target in graph.edges],
    }


def render(graph: Graph) -> str:
    """A table of tier pairs, and totals."""
    rows = [(f"{a} -> {b}", count) for (a, b), count in graph.by_tier().items()]
    width = max([len(text) for text, _ in rows] + [5])
    lines = [f"{'EDGES':<{width}}  {'COUNT':>6}"] + [f"{text:<{width}}  {count:>6}" for text, count in rows]
    return "\n".join([*lines, f"{len(graph.nodes)} nodes, {len(graph.edges)} edges"])

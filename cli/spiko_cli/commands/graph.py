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
from spiko_cli.lint_report import render_path
from spiko_cli.manifests import Manifest, read_files
from spiko_cli.options import ClusterOptions, cluster_options
from spiko_local.errors import LocalError
from spiko_local.nodes import read_nodes
from spiko_local.objects import Object, status_of
from spiko_operator.api.architecture import KIND, ArchitectureSpec
from spiko_operator.plan.graph import Graph, Node, node_name, predict
from spiko_operator.plan.topology import ANYWHERE, choose, from_labels, wanted_regions
from spiko_operator.plan.validation.rule import Severity


@click.command(short_help="Nodes and edges.")
@click.argument("name", required=False, shell_complete=architectures)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    type=click.Path(),
    help="Predict from this file; - for standard input.",
)
@click.option("--json", "as_json", is_flag=True, help="Lists `nodes` and `edges` with `source` and `target`.")
@click.option(
    "--nodes",
    type=click.Path(path_type=Path),
    help="With -f: take regions and zones from this kind configuration.",
)
@cluster_options
def command(
    name: str | None, files: tuple[str, ...], as_json: bool, nodes: Path | None, cluster: ClusterOptions
) -> None:
    """Nodes and edges of an architecture: with -f FILE predicted offline, with NAME discovered in a cluster.

    A discovered edge is a pair in a routing table that the caller acknowledged.
    """
    if bool(name) == bool(files):
        raise SpikoError("graph: give either -f FILE (predicted) or NAME (discovered)")
    graphs = [asyncio.run(discover(Target(name, cluster)))] if name else predict_files(files, nodes)
    for graph in graphs:
        click.echo(json.dumps(to_json(graph), indent=1) if as_json else render(graph))


def predict_files(files: tuple[str, ...], nodes: Path | None) -> list[Graph]:
    """Return the graphs of all Architectures in files.

    Args:
        files: names; - is standard input.
        nodes: a kind configuration with regions and zones; None for made-up ones.

    Raises:
        SpikoError: a file has no Architecture, or one that cannot be predicted.
    """
    try:
        labels = from_labels([node.labels for node in read_nodes(nodes)]) if nodes else {}
    except LocalError as error:
        raise SpikoError(str(error)) from error
    found = []
    for manifest in read_files(files):
        _require_no_errors(manifest)
        document = manifest.document
        if document.get("kind") != KIND:
            continue
        try:
            spec = ArchitectureSpec.model_validate(document["spec"], strict=False)
        except ValidationError as error:
            raise SpikoError(
                f"{manifest.file}: {error.errors()[0]['msg']}; `spiko lint` shows more"
            ) from error
        topology = choose(spec.topology, labels, wanted_regions(spec.services))
        found.append(predict(document["metadata"]["name"], spec, topology))
    if not found:
        raise SpikoError(f"{', '.join(files)}: no Architecture found")
    return found


def _require_no_errors(manifest: Manifest) -> None:
    errors = [finding for finding in manifest.findings() if finding.severity is Severity.ERROR]
    if errors:
        more = f"; `spiko lint` shows all {len(errors)} errors" if errors[1:] else ""
        raise SpikoError(f"{manifest.location(errors[0])}{render_path(errors[0])} {errors[0].message}{more}")


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
        answers: of all eurekas with their edges.
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


def to_json(graph: Graph) -> dict[str, Any]:
    """Return plain values for JSON."""
    fields = ("name", "tier", "package", "version", "region", "zone")
    return {
        "nodes": [{field: getattr(node, field) for field in fields} for node in graph.nodes],
        "edges": [{"source": source, "target": target} for source, target in graph.edges],
    }


def render(graph: Graph) -> str:
    """Return a table of tier pairs, and totals."""
    rows = [(f"{a} -> {b}", count) for (a, b), count in graph.by_tier().items()]
    width = max([len(text) for text, _ in rows] + [5])
    lines = [f"{'EDGES':<{width}}  {'COUNT':>6}"] + [f"{text:<{width}}  {count:>6}" for text, count in rows]
    return "\n".join([*lines, f"{len(graph.nodes)} nodes, {len(graph.edges)} edges"])

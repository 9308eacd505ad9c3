"""`spiko graph`: nodes and edges, predicted from a file or discovered in a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from spiko_cli.completion import architectures
from spiko_cli.errors import SpikoError
from spiko_cli.lint_report import render_path
from spiko_cli.manifests import Manifest, read_files
from spiko_cli.options import ClusterOptions, cluster_options
from spiko_local.errors import LocalError
from spiko_local.nodes import read_nodes
from spiko_operator.api.architecture import KIND, ArchitectureSpec
from spiko_operator.plan.graph import Graph, predict
from spiko_operator.plan.topology import choose, from_labels, wanted_regions
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
    for graph in [_discover(name, cluster)] if name else predict_files(files, nodes):
        click.echo(json.dumps(to_json(graph), indent=1) if as_json else render(graph))


def _discover(name: str, cluster: ClusterOptions) -> Graph:
    """Return the graph of an architecture in a cluster; a prediction needs no Kubernetes client."""
    import asyncio

    from spiko_cli.discovery import discover
    from spiko_cli.eurekas import Target

    return asyncio.run(discover(Target(name, cluster)))


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

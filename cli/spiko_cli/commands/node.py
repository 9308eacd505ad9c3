"""`spiko node`: cut or restore the power of a node of the local cluster."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import click

from spiko_cli.errors import SpikoError
from spiko_cli.options import local_only
from spiko_local.errors import LocalError
from spiko_local.home import Home, find_home
from spiko_local.node_power import switch_node
from spiko_local.nodes import read_nodes


@click.group("node", short_help="Cut or restore a node's power.")
def command() -> None:
    """Cut or restore the power of a node of the local cluster only; `spiko status` lists the nodes."""


@command.command("stop")
@click.argument("name")
@local_only
def stop(name: str) -> None:
    """Cut the power of node NAME of the local cluster: all its pods fall silent at once.

    Callers on other nodes stop using them within five seconds. After about 50 seconds Kubernetes marks the
    node as not ready and deletes its pods; until then a tier that had its only instance there has none.
    """
    _switch(name, on=False)
    click.echo(f"node {name} is off; `spiko node start {name}` restores its power")


@command.command("start")
@click.argument("name")
@local_only
def start(name: str) -> None:
    """Restore the power of node NAME of the local cluster: its pods are restarted or replaced."""
    _switch(name, on=True)
    click.echo(f"node {name} is on")


def _switch(name: str, on: bool) -> None:
    home = find_home(os.environ)
    try:
        asyncio.run(switch_node(home, read_nodes(_nodes(home)), name, on))
    except LocalError as error:
        raise SpikoError(str(error)) from error


def _nodes(home: Home) -> Path | None:
    """Return the nodes file with which the cluster was started."""
    try:
        return Path(json.loads(home.plan.read_text())["nodes"])
    except (OSError, ValueError, KeyError):
        return None

"""`spiko node`: one node of the local cluster taken away, and back."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import click

from spiko_cli.errors import SpikoError
from spiko_local.errors import LocalError
from spiko_local.home import Home, find_home
from spiko_local.node_power import switch_node
from spiko_local.nodes import read_nodes


@click.group("node", short_help="Take a node of the local cluster away, or back.")
def command() -> None:
    """Take a node of the local cluster away, or back; `spiko status` lists them."""


@command.command("stop")
@click.argument("name")
def stop(name: str) -> None:
    """Cut the power of node NAME: its pods are silent from one moment to the next.

    Callers leave them within five seconds. Kubernetes marks the node after most of a minute, and deletes its pods.
    """
    _switch(name, on=False)
    click.echo(f"node {name} is off; `spiko node start {name}` brings it back")


@command.command("start")
@click.argument("name")
def start(name: str) -> None:
    """Give node NAME its power back: its pods are started again, or replaced."""
    _switch(name, on=True)
    click.echo(f"node {name} is on")


def _switch(name: str, on: bool) -> None:
    home = find_home(os.environ)
    try:
        asyncio.run(switch_node(home, read_nodes(_nodes(home)), name, on))
    except LocalError as error:
        raise SpikoError(str(error)) from error


def _nodes(home: Home) -> Path | None:
    """The file that the cluster was started with."""
    try:
        return Path(json.loads(home.plan.read_text())["nodes"])
    except (OSError, ValueError, KeyError):
        return None

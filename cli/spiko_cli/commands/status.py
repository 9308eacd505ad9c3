"""`spiko status`: show the state of the local cluster."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time

import click

from spiko_cli.options import local_only
from spiko_local.cluster import status
from spiko_local.errors import NotUp
from spiko_local.home import find_home
from spiko_local.objects import Object

EXIT_NOT_UP = 3


@click.command(short_help="Show the state of the local cluster.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@local_only
def command(as_json: bool) -> None:
    """Show the components and nodes of the local cluster; exit code 3 if it is not up.

    It is about the local cluster only, whatever KUBECONFIG names; `kubectl get nodes` is for any cluster.
    """
    try:
        state = status(find_home(os.environ))
    except NotUp as error:
        click.echo(json.dumps({"up": False}) if as_json else f"spiko: {error}", err=not as_json)
        sys.exit(EXIT_NOT_UP)
    click.echo(json.dumps({"up": True, **state}) if as_json else render(state, time.time()))


def render(state: Object, now: float) -> str:
    """Return a table of components, a table of nodes, and a summary.

    Args:
        state: as `spiko_local.cluster.status` returns it.
        now: seconds since 1970.
    """
    lines = [f"{'COMPONENT':<25}{'PID':>8}{'UP SINCE':>10}{'RESTARTS':>10}{'MEMORY':>9}  HEALTHY"]
    for part in state["parts"]:
        age = render_age(now - part["since"]) if part["pid"] else "-"
        memory = f"{part['memoryBytes'] / 1e6:.0f} MB" if part["memoryBytes"] else "-"
        health = "yes" if part["healthy"] else f"no: {part['error'] or 'does not answer'}"
        lines.append(
            f"{part['name']:<25}{part['pid'] or '-':>8}{age:>10}{part['restarts']:>10}{memory:>9}  {health}"
        )
    lines += ["", f"{'NODE':<25}{'ZONE':<20}READY"]
    lines += [f"{node['name']:<25}{node['zone'] or '-':<20}{render_node(node)}" for node in state["nodes"]]
    return "\n".join(
        [*lines, "", f"{summarize(state)}; export KUBECONFIG={shlex.quote(state['kubeconfig'])}"]
    )


def render_node(node: Object) -> str:
    """Return whether a node is ready. Kubernetes marks a node that is off about 50 s later only.

    >>> render_node({"name": "a", "ready": True, "on": False})
    'no: off; `spiko node start a`'
    """
    return (
        f"no: off; `spiko node start {node['name']}`" if not node["on"] else "yes" if node["ready"] else "no"
    )


def summarize(state: Object) -> str:
    """Return the state of the whole cluster in one word: failed, stopping, starting, ready or degraded."""
    for word in ("failed", "stopping"):
        if state[word]:
            return word
    if not state["ready"]:
        return "starting"
    return "ready" if all(part["healthy"] for part in state["parts"]) else "degraded"


def render_age(seconds: float) -> str:
    """Return an age as kubectl writes it.

    >>> render_age(7), render_age(321), render_age(7261), render_age(200_000)
    ('7s', '5m21s', '2h1m', '2d7h')
    """
    whole = max(0, int(seconds))
    for unit, longer, shorter in ((86_400, "d", "h"), (3_600, "h", "m"), (60, "m", "s")):
        if whole >= unit:
            return (
                f"{whole // unit}{longer}{whole % unit // (unit // (24 if longer == 'd' else 60))}{shorter}"
            )
    return f"{whole}s"

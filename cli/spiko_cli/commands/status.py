"""`spiko status`: what of the local cluster runs."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from typing import Any

import click

from spiko_local.cluster import status
from spiko_local.errors import NotUp
from spiko_local.home import find_home

EXIT_NOT_UP = 3


@click.command(short_help="Say what of the local cluster runs.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def command(as_json: bool) -> None:
    """Say what of the local cluster runs; exit code 3 if nothing does."""
    try:
        state = status(find_home(os.environ))
    except NotUp as error:
        click.echo(json.dumps({"up": False}) if as_json else f"spiko: {error}", err=not as_json)
        sys.exit(EXIT_NOT_UP)
    click.echo(json.dumps({"up": True, **state}) if as_json else render(state, time.time()))


def render(state: dict[str, Any], now: float) -> str:
    """Two tables, and the summary.

    Args:
        state: as `spiko_local.cluster.status` returns it.
        now: seconds since 1970.
    """
    lines = [f"{'PART':<25}{'PID':>8}{'UP SINCE':>10}{'RESTARTS':>10}{'MEMORY':>9}  HEALTHY"]
    for part in state["parts"]:
        age = render_age(now - part["since"]) if part["pid"] else "-"
        memory = f"{part['memoryBytes'] / 1e6:.0f} MB" if part["memoryBytes"] else "-"
        health = "yes" if part["healthy"] else f"no: {part['error'] or 'does not answer'}"
        lines.append(f"{part['name']:<25}{part['pid'] or '-':>8}{age:>10}{part['restarts']:>10}{memory:>9}  {health}")
    lines += ["", f"{'NODE':<25}{'ZONE':<20}READY"]
    lines += [f"{node['name']:<25}{node['zone'] or '-':<20}{render_node(node)}" for node in state["nodes"]]
    return "\n".join([*lines, "", f"{choose_word(state)}; export KUBECONFIG={shlex.quote(state['kubeconfig'])}"])


def render_node(node: dict[str, Any]) -> str:
    """Whether a node is ready; one that is off takes most of a minute to be marked.

    >>> render_node({"name": "a", "ready": True, "on": False})
    'no: it is off; `spiko node start a`'
    """
    return f"no: it is off; `spiko node start {node['name']}`" if not node["on"] else "yes" if node["ready"] else "no"


def choose_word(state: dict[str, Any]) -> str:
    """The whole cluster's state in one word."""
    for word in ("failed", "stopping"):
        if state[word]:
            return word
    if not state["ready"]:
        return "starting"
    return "ready" if all(part["healthy"] for part in state["parts"]) else "degraded"


def render_age(seconds: float) -> str:
    """An age as kubectl writes it.

    >>> render_age(7), render_age(321), render_age(7261), render_age(200_000)
    ('7s', '5m21s', '2h1m', '2d7h')
    """
    whole = max(0, int(seconds))
    for unit, longer, shorter in ((86_400, "d", "h"), (3_600, "h", "m"), (60, "m", "s")):
        if whole >= unit:
            return f"{whole // unit}{longer}{whole % unit // (unit // (24 if longer == 'd' else 60))}{shorter}"
    return f"{whole}s"

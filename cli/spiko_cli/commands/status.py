"""`spiko status`: what of the local cluster runs."""

from __future__ import annotations

import json
import os
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
    """A table."""
    word = (
        "failed" if state["failed"] else "stopping" if state["stopping"] else "ready" if state["ready"] else "starting"
    )
    lines = [f"{'PART':<26}{'PID':>8}  {'UP':>8}  {'RESTARTS':>8}  STATE"]
    for part in state["parts"]:
        age = f"{now - part['since']:.0f}s" if part["since"] else "-"
        health = "ready" if part["ready"] else "starting"
        lines.append(f"{part['name']:<26}{part['pid']:>8}  {age:>8}  {part['restarts']:>8}  {health}")
    return "\n".join([*lines, f"{word}; KUBECONFIG={state['kubeconfig']}"])

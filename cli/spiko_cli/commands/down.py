"""`spiko down`: stop the local cluster."""

from __future__ import annotations

import os

import click

from spiko_cli.options import local_only
from spiko_local.cluster import down
from spiko_local.home import Home, find_home


@click.command(short_help="Stop the local cluster.")
@click.option("--keep", is_flag=True, help="Keep data and logs; the next `spiko up` uses them.")
@local_only
def command(keep: bool) -> None:
    """Stop the local cluster with everything that it started, and remove its state.

    No other cluster is touched, whatever KUBECONFIG names.
    """
    home = find_home(os.environ)
    had_state = home.plan.exists()
    state = down(home, keep)
    click.echo(render(home, len(state["parts"]) if state else None, had_state, keep))


def render(home: Home, components: int | None, had_state: bool, keep: bool) -> str:
    """Return the result as one line.

    Args:
        home: of the cluster.
        components: how many were stopped; None if no cluster was up.
        had_state: whether the home had any state.
        keep: whether data and logs are kept.
    """
    done = (
        f"stopped {components} components and their pods" if components is not None else "no cluster was up"
    )
    if not had_state:
        return f"{done}; no state in {home.path}"
    return (
        f"{done}; kept data and logs in {home.path}" if keep else f"{done}; removed the state in {home.path}"
    )

"""`spiko down`: stop the local cluster."""

from __future__ import annotations

import os

import click

from spiko_local.cluster import down
from spiko_local.home import Home, find_home


@click.command(short_help="Stop the local cluster.")
@click.option("--keep", is_flag=True, help="Leave data and logs; the next `spiko up` goes on with them.")
def command(keep: bool) -> None:
    """Stop the local cluster with everything that it started, and remove its state."""
    home = find_home(os.environ)
    had_state = home.plan.exists()
    state = down(home, keep)
    click.echo(render(home, len(state["parts"]) if state else None, had_state, keep))


def render(home: Home, parts: int | None, had_state: bool, keep: bool) -> str:
    """One line: what was done.

    Args:
        home: of the cluster.
        parts: how many were stopped; None if nothing was up.
        had_state: whether there was anything in the home.
        keep: whether data and logs were to stay.
    """
    done = f"stopped {parts} parts and their pods" if parts is not None else "nothing was up"
    if not had_state:
        return f"{done}; nothing in {home.path}"
    return f"{done}; data and logs stay in {home.path}" if keep else f"{done}; removed the state in {home.path}"

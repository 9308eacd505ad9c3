"""`spiko down`: stop the local cluster."""

from __future__ import annotations

import os

import click

from spiko_local.cluster import down
from spiko_local.home import find_home


@click.command(short_help="Stop the local cluster.")
@click.option("--keep", is_flag=True, help="Leave data and logs.")
def command(keep: bool) -> None:
    """Stop the local cluster with everything that it started, and remove its state."""
    home = find_home(os.environ)
    was_up = down(home, keep)
    click.echo(("stopped" if was_up else "nothing was up") + (f"; data and logs stay in {home.path}" if keep else ""))

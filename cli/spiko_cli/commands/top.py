"""`spiko top`: rates, errors and percentiles per tier and edge, live."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

import click

from spiko_cli.completion import architectures
from spiko_cli.options import ClusterOptions, cluster_options

if TYPE_CHECKING:
    from spiko_cli.eurekas import Eurekas, Target
    from spiko_cli.metrics.sliding_window import SlidingWindow


@click.command(short_help="Rates, errors and percentiles, live.")
@click.argument("name", shell_complete=architectures)
@click.option(
    "-t", "--window", "window_s", type=click.IntRange(1, 300), default=10, show_default=True,
    help="Length of the window in seconds.",
)  # fmt: skip
@click.option("--once", is_flag=True, help="Collect for one window, print, exit.")
@click.option("--json", "as_json", is_flag=True, help="With --once: machine-readable.")
@click.option("--zones", is_flag=True, help="A row for each pair of zones.")
@cluster_options
def command(
    name: str, window_s: int, once: bool, as_json: bool, zones: bool, cluster: ClusterOptions
) -> None:
    """Rates, misses, errors and response times of an architecture, per tier and edge, live."""
    from spiko_cli.eurekas import Target
    from spiko_cli.metrics.sliding_window import SlidingWindow

    window = SlidingWindow(window_s, zones)
    asyncio.run(_run(Target(name, cluster), window, once or not sys.stdout.isatty(), as_json))


async def _run(target: Target, window: SlidingWindow, once: bool, as_json: bool) -> None:
    from spiko_cli.eurekas import open_eurekas
    from spiko_cli.metrics.tables import render_rows

    async with open_eurekas(target) as (_, eurekas):
        collecting = asyncio.create_task(_collect(eurekas, window))
        try:
            await eurekas.wait_connected()
            if once:
                await asyncio.sleep(window.seconds + 1.0)
                edges, tiers = window.rows(time.monotonic())
                plain = {"edges": [row.to_json() for row in edges], "tiers": [row.to_json() for row in tiers]}
                click.echo(json.dumps(plain, indent=1) if as_json else render_rows(edges, tiers))
            else:
                await _show(target.name, window, eurekas)
        finally:
            collecting.cancel()


async def _collect(eurekas: Eurekas, window: SlidingWindow) -> None:
    async for second in eurekas.seconds():
        window.add(second, time.monotonic())


async def _show(name: str, window: SlidingWindow, eurekas: Eurekas) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from spiko_cli.metrics.tables import render_rows

    with Live(Text(f"{name}: waiting for the first second"), refresh_per_second=4) as live:
        while True:
            await asyncio.sleep(1.0)
            problem = eurekas.problem()
            table = f"{name}, last {window.seconds} s\n{render_rows(*window.rows(time.monotonic()))}"
            # Lines are cut, not wrapped: a wrapped table cannot be read.
            text = Text(table, no_wrap=True, overflow="ellipsis")
            live.update(Group(*([Text(problem)] if problem else []), text))

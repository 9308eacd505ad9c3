"""`spiko top`: rates, errors and percentiles per tier and edge, live."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import click

from spiko_cli.completion import architectures
from spiko_cli.eurekas import Eurekas, Target, open_eurekas
from spiko_cli.metrics.sliding_window import Window
from spiko_cli.metrics.tables import render_rows
from spiko_cli.options import cluster_options


@click.command(short_help="Rates, errors and percentiles, live.")
@click.argument("name", shell_complete=architectures)
@click.option(
    "-t",
    "--window",
    "window_s",
    type=click.IntRange(1, 300),
    default=10,
    show_default=True,
    help="Seconds that are looked at.",
)
@click.option("--once", is_flag=True, help="Look once for the window's length, print, end.")
@click.option("--json", "as_json", is_flag=True, help="With --once: machine-readable.")
@click.option("--zones", is_flag=True, help="A row for each pair of zones.")
@cluster_options
def command(
    name: str, window_s: int, once: bool, as_json: bool, zones: bool,
    namespace: str, context: str | None, kubeconfig: str | None, reach: Any,
) -> None:  # fmt: skip
    """Rates, misses, errors and response times of an architecture, per tier and edge, live."""
    target = Target(name, namespace, context, kubeconfig, reach)
    asyncio.run(_run(target, window_s, once or not sys.stdout.isatty(), as_json, zones))


async def _run(target: Target, window_s: int, once: bool, as_json: bool, zones: bool) -> None:
    window = Window(window_s, zones)
    async with open_eurekas(target) as (_, eurekas):
        collecting = asyncio.create_task(_collect(eurekas, window))
        try:
            await eurekas.until_heard()
            if once:
                await asyncio.sleep(window_s + 1.0)
                edges, tiers = window.rows(time.monotonic())
                plain = {"edges": [row.to_json() for row in edges], "tiers": [row.to_json() for row in tiers]}
                click.echo(json.dumps(plain, indent=1) if as_json else render_rows(edges, tiers))
            else:
                await _show(target.name, window, eurekas)
        finally:
            collecting.cancel()


async def _collect(eurekas: Eurekas, window: Window) -> None:
    async for second in eurekas.seconds():
        window.add(second, time.monotonic())


async def _show(name: str, window: Window, eurekas: Eurekas) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(Text(f"{name}: waiting for the first second"), refresh_per_second=4) as live:
        while True:
            await asyncio.sleep(1.0)
            silence = eurekas.silence()
            table = f"{name}, last {window.seconds} s\n{render_rows(*window.rows(time.monotonic()))}"
            # a line that is too wide is cut: wrapped, a table on a narrow terminal is no table any more
            live.update(Group(*([Text(silence)] if silence else []), Text(table, no_wrap=True, overflow="ellipsis")))

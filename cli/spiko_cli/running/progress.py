"""Shows the course of a run: a live table on a terminal, a line per second elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from spiko_cli.metrics.aggregates import Row
from spiko_cli.metrics.tables import render_rows


@dataclass(frozen=True)
class Tick:
    """One second of a run.

    Args:
        elapsed_s: since the traffic began.
        whole_s: of the run's traffic.
        pods: ready of all, such as 23/23.
        sources: the sources' requests of the last seconds.
        so_far: the sources' requests of the whole run.
        edges: of the last seconds.
        tiers: of the last seconds.
    """

    elapsed_s: float
    whole_s: float
    pods: str
    sources: Row
    so_far: Row
    edges: list[Row]
    tiers: list[Row]


class Progress(Protocol):
    """Shows the course of a run; a context manager."""

    def __enter__(self) -> Self:
        """Start to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Restore the screen."""

    def say(self, text: str) -> None:
        """Show a line."""

    def tick(self, tick: Tick) -> None:
        """Show a second."""


def render_tick(tick: Tick) -> str:
    """Return a second as one line.

    >>> row = Row("www", 99.7, 150, 0, 40, {"refused": 1}, None, None, None)
    >>> render_tick(Tick(2.0, 10.0, "23/23", row, row, [], []))
    '   2 of 10 s  23/23 pods ready  www 100 requests/s; 191 so far, 40 misses, 1 errors'
    """
    row = tick.sources
    begin = f"{tick.elapsed_s:4.0f} of {tick.whole_s:.0f} s  {tick.pods} pods ready  "
    if not row.total:
        return f"{begin}no requests reported yet"
    times = (
        f", p50 {row.response_us[0] / 1000:.2f} ms, p99 {row.response_us[2] / 1000:.2f} ms"
        if row.response_us
        else ""
    )
    so_far = f"{tick.so_far.total} so far, {tick.so_far.miss} misses, {tick.so_far.failed} errors"
    so_far += f", {tick.so_far.not_sent} not sent" if tick.so_far.not_sent else ""
    rate = f" {row.rate:.0f} requests/s{times}" if row.rate else ""  # a rate needs two counts
    return f"{begin}{row.name}{rate}; {so_far}"


class Lines:
    """Progress for pipes and files.

    Args:
        echo: prints a line.
    """

    def __init__(self, echo: Callable[[str], None]) -> None:
        self._echo = echo

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Print a line."""
        self._echo(text)

    def tick(self, tick: Tick) -> None:
        """Print a second as one line."""
        self._echo(render_tick(tick))


class Screen:
    """Progress for terminals: lines scroll above a live table, which is removed at the end."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live: Any = Live(console=Console(highlight=False), refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        """Start to draw."""
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Remove the table."""
        self._live.__exit__(kind, error, at)

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._live.console.print(text, markup=False)

    def tick(self, tick: Tick) -> None:
        """Redraw the table."""
        from rich.text import Text

        text = f"{render_tick(tick)}\n\n{render_rows(tick.edges, tick.tiers)}"
        # Cut, not wrapped, on a narrow terminal.
        self._live.update(Text(text, no_wrap=True, overflow="ellipsis"))

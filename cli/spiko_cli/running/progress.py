"""What is shown while a run goes on: a live table on a terminal, a line a second elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from spiko_cli.metrics.aggregates import Row
from spiko_cli.metrics.tables import render_rows


@dataclass(frozen=True)
class Tick:
    """One second of a run. `edges` and `tiers` are of the last seconds, `begun` are the sources' own requests of them, `so_far` all of the run's."""

    elapsed_s: float
    whole_s: float
    pods: str
    begun: Row
    so_far: Row
    edges: list[Row]
    tiers: list[Row]


class Progress(Protocol):
    """Where a run tells how it goes."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the screen as it was."""

    def say(self, text: str) -> None:
        """One line."""

    def tick(self, tick: Tick) -> None:
        """One second."""


def render_tick(tick: Tick) -> str:
    """One line.

    >>> row = Row("www", 99.7, 150, 40, {"refused": 1}, None, None, None)
    >>> render_tick(Tick(2.0, 10.0, "23/23", row, row, [], []))
    '   2 of 10 s  23/23 pods ready  www 100 requests/s; so far 191, of these 40 misses, 1 errors'
    """
    row = tick.begun
    begin = f"{tick.elapsed_s:4.0f} of {tick.whole_s:.0f} s  {tick.pods} pods ready  "
    if not row.total:
        return f"{begin}nothing reported of {row.name} yet"
    times = (
        f", p50 {row.response_us[0] / 1000:.2f} ms, p99 {row.response_us[2] / 1000:.2f} ms" if row.response_us else ""
    )
    so_far = f"so far {tick.so_far.total}, of these {tick.so_far.miss} misses, {tick.so_far.failed} errors"
    rate = f" {row.rate:.0f} requests/s{times}" if row.rate else ""  # none until there are two counts
    return f"{begin}{row.name}{rate}; {so_far}"


class Lines:
    """For pipes and files.

    Args:
        echo: prints a line.
    """

    def __init__(self, echo: Callable[[str], None]) -> None:
        self._echo = echo

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing to end."""

    def say(self, text: str) -> None:
        """Print it."""
        self._echo(text)

    def tick(self, tick: Tick) -> None:
        """Print it as a line."""
        self._echo(render_tick(tick))


class Screen:
    """For terminals: what is said scrolls, the table stands below it and is gone at the end."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live: Any = Live(console=Console(highlight=False), refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the table."""
        self._live.__exit__(kind, error, at)

    def say(self, text: str) -> None:
        """Print it above the table."""
        self._live.console.print(text, markup=False)

    def tick(self, tick: Tick) -> None:
        """Draw the table anew."""
        from rich.text import Text

        text = f"{render_tick(tick)}\n\n{render_rows(tick.edges, tick.tiers)}"
        self._live.update(Text(text, no_wrap=True, overflow="ellipsis"))  # cut, not wrapped, on a narrow terminal

"""Pure: tables of edges and tiers as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spiko_cli.metrics.aggregates import PERCENTILES, Percentiles, Row

_TIMES = ("P50 ms", "P90", "P99", "P99.9")
_HEAD = (
    "EDGE",
    "REQUESTS",
    "REQ/S",
    "MISS %",
    "ERR %",
    *_TIMES,
    "SERVICE P50",
    "P99",
    "NETWORK P50",
    "P99",
    "ERRORS",
)
_P50, _P99 = PERCENTILES.index(50.0), PERCENTILES.index(99.0)


def render_rows(edges: Sequence[Row], tiers: Sequence[Row]) -> str:
    """Return a table of edges as their callers see them and one of tiers as they serve; times are in ms."""
    if not edges and not tiers:
        return "no requests"
    served = [("TIER", *_HEAD[1:9], *[""] * 4, _HEAD[13]), *(_cells(row) for row in tiers)]
    return "\n".join([*align([_HEAD, *(_cells(row) for row in edges)]), "", *align(served)])


def align(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return lines with columns of equal width: the first and the last aligned left, numbers right.

    >>> align([("A", "NUMBER", "Z"), ("long", "1", "z")])
    ['A     NUMBER  Z', 'long       1  z']
    """
    last = len(rows[0]) - 1
    used = [i for i in range(last + 1) if any(row[i] for row in rows)]
    widths = {i: max(len(row[i]) for row in rows) for i in used}
    return [
        "  ".join(
            row[i].ljust(widths[i]) if i in (0, last) else row[i].rjust(widths[i]) for i in used
        ).rstrip()
        for row in rows
    ]


def render_causes(errors: Mapping[str, int]) -> str:
    """Return errors by cause, such as `refused=2 timeout=1`."""
    return " ".join(f"{cause}={count}" for cause, count in sorted(errors.items()))


def _cells(row: Row) -> tuple[str, ...]:
    total = max(1, row.total)
    return (
        row.name,
        str(row.total),
        f"{row.rate:.1f}",
        "" if row.miss_percent is None else f"{row.miss_percent:.1f}",
        f"{100 * row.failed / total:.2f}",
        *(_ms(row.response_us, i) for i in range(len(PERCENTILES))),
        *(_ms(times, i) for times in (row.service_us, row.network_us) for i in (_P50, _P99)),
        render_causes({**row.errors, **({"not_sent": row.not_sent} if row.not_sent else {})}),
    )


def _ms(times: Percentiles | None, index: int) -> str:
    return f"{times[index] / 1000:.2f}" if times else ""

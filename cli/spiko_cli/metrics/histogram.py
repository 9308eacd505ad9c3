"""Pure: a distribution as Spigo printed it, for readers, and as a list, for programs.

The text has a line for each bin with a count; both bounds belong to the bin. A bar has one # for each whole
percent and begins with : if bins without a count were skipped before it, else with |.

Source: the files of Spigo's csv_metrics, which go-kit's PrintDistribution wrote. Different are the unit, us
instead of ns, two more quantiles, and values above 1 ms, which Spigo recorded as 1 ms.
"""

from __future__ import annotations

from itertools import pairwise

from hdrh.histogram import HdrHistogram

from spiko_cli.metrics.aggregates import PERCENTILES

_STEPS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)  # bins of a decade: about 25 % wide, with round bounds
_BOUNDS_US = [0, *range(1, 10), *(step * 10**decade for decade in range(7) for step in _STEPS), 10**8]


def bins(histogram: HdrHistogram) -> list[tuple[int, int, int]]:
    """Return (from, to, count) of all bins from the first with a count to the last.

    Bounds are in us; `to` is exclusive.
    """
    counts = [0] * len(_BOUNDS_US)
    index = 0
    for item in histogram.get_recorded_iterator():
        value = histogram.get_lowest_equivalent_value(item.value_iterated_to)
        while _BOUNDS_US[index + 1] <= value:
            index += 1
        counts[index] += item.count_added_in_this_iter_step
    used = [i for i, count in enumerate(counts) if count]
    edges = list(pairwise(_BOUNDS_US))
    return [(*edges[i], counts[i]) for i in range(used[0], used[-1] + 1)] if used else []


def bins_json(histogram: HdrHistogram) -> list[dict[str, int]]:
    """Return the bins with a count for JSON; both bounds belong to the bin."""
    return [
        {"fromMicroseconds": low, "toMicroseconds": high - 1, "count": count}
        for low, high, count in bins(histogram)
        if count
    ]


def render_histogram(name: str, histogram: HdrHistogram) -> str:
    """Return the name, quantiles, and bins with their count, their share and a bar, as columns."""
    quantiles = " ".join(f"{{{p:g} {histogram.get_value_at_percentile(p)}}}" for p in PERCENTILES)
    total = max(1, histogram.get_total_count())
    rows, axis = [("From", "To", "Count", "Prob", "Bar")], ":"  # bins below the first one are skipped
    for low, high, count in bins(histogram):
        if count:
            bar = axis + "#" * (100 * count // total)
            rows.append((str(low), str(high - 1), str(count), f"{count / total:.4f}", bar))
        axis = "|" if count else ":"
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]) for row in rows
    ]
    return "\n".join([f"name: {name}, microseconds", f"quantiles: [{quantiles}]", *lines])

"""Pure: a distribution as Spigo printed it: quantiles, then a line per bin with a bar of one # per percent.

Source: Spigo's csv_metrics, the readable form; with real percentiles, and without its limit of 1 ms.
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


def render_histogram(name: str, histogram: HdrHistogram) -> str:
    """Return the name, quantiles in us, and bins with their count, their share and a bar."""
    quantiles = " ".join(f"{{{p:g} {histogram.get_value_at_percentile(p)}}}" for p in PERCENTILES)
    total = max(1, histogram.get_total_count())
    lines = [
        f"name: {name}",
        f"quantiles: [{quantiles}] microseconds",
        f"{'From':>9} {'To':>9} {'Count':>9} {'Prob':>7} Bar",
    ]
    lines += [
        f"{low:>9} {high:>9} {count:>9} {count / total:>7.4f} :{'#' * round(100 * count / total)}"
        for low, high, count in bins(histogram)
    ]
    return "\n".join(lines)

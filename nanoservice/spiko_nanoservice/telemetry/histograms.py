"""Histograms of the `hdrhistogram` package, 1 us to 60 s, two digits.

Readers of reports need them for percentiles.

A histogram takes 20 KB. Pods and eurekas use `latencies.py` instead, and their image does not have the
package.
"""

from __future__ import annotations

from collections.abc import Mapping

from hdrh.histogram import HdrHistogram

from spiko_nanoservice.contract import HISTOGRAM_DIGITS, HISTOGRAM_HIGHEST_US, HISTOGRAM_LOWEST_US
from spiko_nanoservice.telemetry.latencies import decode_counts


def new_histogram() -> HdrHistogram:
    """Return an empty histogram with the protocol's range and precision."""
    return HdrHistogram(HISTOGRAM_LOWEST_US, HISTOGRAM_HIGHEST_US, HISTOGRAM_DIGITS)


def add_to(histogram: HdrHistogram, counts: Mapping[int, int]) -> None:
    """Merge counts per bucket into a histogram."""
    if not counts:
        return
    kept = histogram.counts
    for bucket, count in counts.items():
        kept[bucket] += count
    lowest, highest = histogram.get_value_from_index(min(counts)), histogram.get_value_from_index(max(counts))
    histogram.total_count += sum(counts.values())
    histogram.min_value = min(histogram.min_value, lowest)
    histogram.max_value = max(histogram.max_value, histogram.get_highest_equivalent_value(highest))


def add_encoded(histogram: HdrHistogram, encoded: str) -> None:
    """Merge an encoded string into a histogram.

    Raises:
        ValueError: the string is not an encoded histogram of the protocol's range.
    """
    add_to(histogram, decode_counts(encoded))

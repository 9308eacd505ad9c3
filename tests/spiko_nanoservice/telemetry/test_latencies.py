"""The encoding of latencies is the `hdrhistogram` package's: what one writes the other reads."""

from __future__ import annotations

import base64
import zlib
from random import Random

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as some

from spiko_nanoservice.contract import HISTOGRAM_HIGHEST_US
from spiko_nanoservice.telemetry.histograms import add_encoded, new_histogram
from spiko_nanoservice.telemetry.latencies import (
    BUCKETS,
    MAGNITUDE,
    count_values,
    decode_counts,
    encode_counts,
)


def recorded(values: list[int]) -> HdrHistogram:
    """The package's histogram of these values."""
    histogram = new_histogram()
    for value in values:
        histogram.record_value(value)
    return histogram


def payload(encoded: bytes | str) -> bytes:
    """What is in the compressed part."""
    return zlib.decompress(base64.b64decode(encoded)[8:])


def kept(histogram: HdrHistogram) -> tuple[list[int], int, int, int]:
    """All that a histogram knows of its values."""
    return list(histogram.counts), histogram.total_count, histogram.min_value, histogram.max_value


VALUES = some.lists(some.integers(1, HISTOGRAM_HIGHEST_US), max_size=60)


def test_the_shape_is_the_packages() -> None:
    """Buckets and sub-buckets are counted as the package counts them."""
    assert (new_histogram().counts_len, new_histogram().sub_bucket_half_count_magnitude) == (BUCKETS, MAGNITUDE)


@given(VALUES)
def test_the_same_payload(values: list[int]) -> None:
    """Byte for byte what the package encodes, before compression."""
    assert payload(recorded(values).encode()) == payload(encode_counts(count_values(values)))


@given(VALUES)
def test_the_package_reads_it(values: list[int]) -> None:
    """The package decodes it to the histogram that it encodes itself."""
    ours = HdrHistogram.decode(encode_counts(count_values(values)))

    assert kept(HdrHistogram.decode(recorded(values).encode())) == kept(ours)


@given(VALUES, VALUES)
def test_it_reads_the_package(one: list[int], two: list[int]) -> None:
    """Merging what the package encoded is the package's merging."""
    expected, merged = new_histogram(), new_histogram()
    for values in (one, two):
        expected.decode_and_add(recorded(values).encode())
        add_encoded(merged, recorded(values).encode().decode())

    assert list(expected.counts) == list(merged.counts)
    assert [expected.get_value_at_percentile(p) for p in (0, 50, 99, 100)] == [
        merged.get_value_at_percentile(p) for p in (0, 50, 99, 100)
    ]


def test_values_out_of_range_are_clamped() -> None:
    """Under a microsecond and over a minute fall into the first and the last bucket in use."""
    assert count_values([1, HISTOGRAM_HIGHEST_US]) == count_values([-5, 10 * HISTOGRAM_HIGHEST_US])


def test_many_values_of_one_bucket() -> None:
    """A count of several bytes survives."""
    assert {1: 70_000} == decode_counts(encode_counts({1: 70_000}))


def test_garbage_is_a_value_error() -> None:
    """Whatever arrives: a histogram or a ValueError, never more memory than a histogram has."""
    good = encode_counts(count_values([5, 700]))
    random = Random(1)
    wrong = ["", "x", good[:-4], good + "AAAA", "ä", encode_counts({BUCKETS: 1})]
    wrong += [base64.b64encode(base64.b64decode(good)[:8] + random.randbytes(40)).decode() for _ in range(50)]
    other = HdrHistogram(1, 3_600_000_000, 3)
    other.record_value(5)
    wrong.append(other.encode().decode())
    for text in wrong:
        with pytest.raises(ValueError, match=r"histogram|bucket"):
            decode_counts(text)

"""The encoding of latencies is that of the `hdrhistogram` package, in both directions."""

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
    """Return the package's histogram of these values."""
    histogram = new_histogram()
    for value in values:
        histogram.record_value(value)
    return histogram


def payload(encoded: bytes | str) -> bytes:
    """Return the content of the compressed part."""
    return zlib.decompress(base64.b64decode(encoded)[8:])


def kept(histogram: HdrHistogram) -> tuple[list[int], int, int, int]:
    """Return everything that a histogram keeps of its values."""
    return list(histogram.counts), histogram.total_count, histogram.min_value, histogram.max_value


VALUES = some.lists(some.integers(1, HISTOGRAM_HIGHEST_US), max_size=60)


def test_buckets_equal_the_packages() -> None:
    """Given the protocol's range, then buckets and sub-buckets equal those of the hdrhistogram package."""
    assert (new_histogram().counts_len, new_histogram().sub_bucket_half_count_magnitude) == (
        BUCKETS,
        MAGNITUDE,
    )


@given(VALUES)
def test_the_payload_equals_the_packages(values: list[int]) -> None:
    """Given values, when they are encoded, then the payload before compression equals the package's byte for
    byte.
    """
    assert payload(recorded(values).encode()) == payload(encode_counts(count_values(values)))


@given(VALUES)
def test_the_package_decodes_an_encoded_histogram(values: list[int]) -> None:
    """Given values, when the package decodes their encoding, then it gets the histogram that it records
    itself.
    """
    ours = HdrHistogram.decode(encode_counts(count_values(values)))

    assert kept(HdrHistogram.decode(recorded(values).encode())) == kept(ours)


@given(VALUES, VALUES)
def test_encodings_of_the_package_are_merged(one: list[int], two: list[int]) -> None:
    """Given two histograms that the package encoded, when they are merged, then the result equals the
    package's.
    """
    expected, merged = new_histogram(), new_histogram()
    for values in (one, two):
        expected.decode_and_add(recorded(values).encode())
        add_encoded(merged, recorded(values).encode().decode())

    assert list(expected.counts) == list(merged.counts)
    assert [expected.get_value_at_percentile(p) for p in (0, 50, 99, 100)] == [
        merged.get_value_at_percentile(p) for p in (0, 50, 99, 100)
    ]


def test_values_outside_the_range_are_clamped() -> None:
    """Given values under 1 us and over 60 s, then they fall into the first and the last bucket in use."""
    assert count_values([1, HISTOGRAM_HIGHEST_US]) == count_values([-5, 10 * HISTOGRAM_HIGHEST_US])


def test_a_count_of_several_bytes_is_encoded() -> None:
    """Given many values of one bucket, when they are encoded and decoded, then the count is the same."""
    assert {1: 70_000} == decode_counts(encode_counts({1: 70_000}))


def test_an_invalid_encoding_is_a_value_error() -> None:
    """Given damaged input, when it is decoded, then it is a histogram or a ValueError, within the memory of
    one histogram.
    """
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

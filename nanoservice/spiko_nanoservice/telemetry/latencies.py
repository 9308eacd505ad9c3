"""Pure: latencies as counts per bucket of an HDR histogram.

They are encoded as the `hdrhistogram` package reads them.

The range is 1 us to 60 s with two digits. A second's report has a few hundred values in a few dozen of 2,560
buckets, so only buckets with values are kept and encoded. The format is V2 of HdrHistogram: a header, zig-zag
LEB128 counts with a run of zeros as one number, compressed with zlib, in base64.
"""

from __future__ import annotations

import binascii
import struct
import zlib
from collections.abc import Iterable, Mapping

from spiko_nanoservice.contract import HISTOGRAM_DIGITS, HISTOGRAM_HIGHEST_US, HISTOGRAM_LOWEST_US

Counts = dict[int, int]
"""Bucket -> number of values in it, 1 or more."""

MAGNITUDE = (2 * 10**HISTOGRAM_DIGITS - 1).bit_length() - 1  # log2 of half a bucket's sub-buckets
_HALF = 1 << MAGNITUDE
_MASK = 2 * _HALF - 1
BUCKETS = (HISTOGRAM_HIGHEST_US.bit_length() - MAGNITUDE + 1) * _HALF
MOST_ENCODED_BYTES = 9 * BUCKETS
_OUTER = struct.Struct(">II")
_INNER = struct.Struct(">IIIIQQd")
_OUTER_COOKIE, _INNER_COOKIE = 0x1C849314, 0x1C849313
# The smallest window and memory of zlib: the input has at most a few hundred bytes.
_WINDOW_BITS, _MEMORY_LEVEL = 9, 1


def count_values(values_us: Iterable[int]) -> Counts:
    """Return the number of values in each bucket, as `HdrHistogram.record_value` counts them.

    Args:
        values_us: microseconds; values outside the range count as its nearest end.

    >>> count_values([1, 1, 300, 301])
    {1: 2, 278: 2}
    """
    counts: Counts = {}
    for value in values_us:
        value = min(max(value, HISTOGRAM_LOWEST_US), HISTOGRAM_HIGHEST_US)
        shift = (value | _MASK).bit_length() - MAGNITUDE - 1
        bucket = ((shift + 1) << MAGNITUDE) + (value >> shift) - _HALF
        counts[bucket] = counts.get(bucket, 0) + 1
    return counts


def encode_counts(counts: Mapping[int, int]) -> str:
    """Return the encoding of a histogram with these counts."""
    body = bytearray()
    following = 0
    for bucket in sorted(counts):
        zeros = bucket - following
        if zeros:
            _append(body, 2 * zeros - 1)
        _append(body, 2 * counts[bucket])
        following = bucket + 1
    head = _INNER.pack(
        _INNER_COOKIE, len(body), 0, HISTOGRAM_DIGITS, HISTOGRAM_LOWEST_US, HISTOGRAM_HIGHEST_US, 1.0
    )
    compressor = zlib.compressobj(6, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL)
    packed = compressor.compress(head + body) + compressor.flush()
    return binascii.b2a_base64(_OUTER.pack(_OUTER_COOKIE, len(packed)) + packed, newline=False).decode()


def decode_counts(encoded: str) -> Counts:
    """Return the counts of a histogram that `encode_counts` or the `hdrhistogram` package encoded.

    Raises:
        ValueError: the string is not an encoded histogram of the protocol's range.
    """
    try:
        raw = binascii.a2b_base64(encoded, strict_mode=True)
        cookie, length = _OUTER.unpack_from(raw)
        if cookie != _OUTER_COOKIE or length != len(raw) - _OUTER.size:
            raise ValueError("the outer header is invalid")
        unpacked = zlib.decompressobj().decompress(raw[_OUTER.size :], _INNER.size + MOST_ENCODED_BYTES)
        cookie, length, _, *shape, _ = _INNER.unpack_from(unpacked)
    except (ValueError, struct.error, zlib.error) as error:
        raise ValueError(f"not an encoded histogram: {encoded[:40]!r}: {error}") from error
    if cookie != _INNER_COOKIE or shape != [HISTOGRAM_DIGITS, HISTOGRAM_LOWEST_US, HISTOGRAM_HIGHEST_US]:
        raise ValueError(f"not a histogram from 1 us to 60 s with two digits: {encoded[:40]!r}")
    body = unpacked[_INNER.size :]
    if length != len(body):
        raise ValueError(
            f"not an encoded histogram: {encoded[:40]!r}: {length} bytes announced, {len(body)} found"
        )
    return _read(body)


def add_counts(total: Counts, more: Mapping[int, int]) -> None:
    """Add counts to a total."""
    for bucket, count in more.items():
        total[bucket] = total.get(bucket, 0) + count


def _append(body: bytearray, number: int) -> None:
    while number > 127:
        body.append(number & 127 | 128)
        number >>= 7
    body.append(number)


def _read(body: bytes) -> Counts:
    counts: Counts = {}
    bucket = number = shift = 0
    for byte in body:
        number |= (byte & 127) << shift
        if byte > 127:
            shift += 7
            continue
        if number & 1:
            # A run of zeros.
            bucket += (number + 1) >> 1
        else:
            if number:
                counts[bucket] = number >> 1
            bucket += 1
        number = shift = 0
    if shift or bucket > BUCKETS:
        raise ValueError(f"not an encoded histogram: counts end at bucket {bucket} of {BUCKETS}")
    return counts

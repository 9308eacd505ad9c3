"""Ranges of sizes and of costs, from least to most, that end at 64 bits."""

from __future__ import annotations

import math
from typing import NamedTuple

MOST = (1 << 64) - 1


class Range(NamedTuple):
    """From the least to the most that something may be."""

    least: int
    most: int

    def plus(self, other: Range) -> Range:
        """Both together."""
        return Range(min(self.least + other.least, MOST), min(self.most + other.most, MOST))

    def times(self, other: Range) -> Range:
        """One of the second for each of the first."""
        return Range(min(self.least * other.least, MOST), min(self.most * other.most, MOST))

    def scaled(self, factor: float) -> Range:
        """So much for each, rounded up."""
        return Range(_scaled(self.least, factor), _scaled(self.most, factor))

    def union(self, other: Range) -> Range:
        """Whichever of them it is."""
        return Range(min(self.least, other.least), max(self.most, other.most))


def exactly(size: int) -> Range:
    """Neither more nor less.

    >>> exactly(3).plus(Range(0, 1)).scaled(0.5)
    Range(least=2, most=2)
    """
    return Range(size, size)


def _scaled(size: int, factor: float) -> int:
    found = float(size) * factor
    return MOST if found >= 2.0**64 else math.ceil(found)


UNKNOWN, ZERO, ONE = Range(0, MOST), exactly(0), exactly(1)

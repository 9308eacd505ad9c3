"""The schedule of the chaos monkey: the distribution of intervals and victims."""

from __future__ import annotations

import math

import pytest

from spiko_operator.api.architecture import Monkey
from spiko_operator.plan.faults.monkey_schedule import interval_s, uniform

ON = Monkey(mode="Enforce", mean_seconds=60, min_seconds=10, seed=3)


def test_intervals_are_exponential_above_the_minimum() -> None:
    """Given 4,000 intervals, then none is below the minimum, the mean is within 3 standard errors, and the
    distribution passes a Kolmogorov-Smirnov test at 1 %.
    """
    found = sorted(interval_s(ON, draw) for draw in range(4_000))
    rest = [(value - 10) / 50 for value in found]
    distance = max(abs((i + 0.5) / len(rest) - (1 - math.exp(-x))) for i, x in enumerate(rest))

    assert found[0] >= 10
    assert abs(sum(found) / len(found) - 60) < 3 * 50 / math.sqrt(len(found))
    assert distance < 1.63 / math.sqrt(len(rest))


@pytest.mark.parametrize(("mean", "least"), [(60, 6.0), (5, 1.0), (1, 1.0), (86_400, 8_640.0)])
def test_minimum_is_a_tenth_of_the_mean_if_left_out(mean: int, least: float) -> None:
    """Given no minSeconds, then the minimum is a tenth of the mean and at least 1 s; if minimum and mean are
    equal, intervals are constant.
    """
    found = [interval_s(Monkey(mean_seconds=mean), draw) for draw in range(500)]

    assert least <= min(found) < least + mean / 10
    assert {7.0} == {interval_s(Monkey(mean_seconds=7, min_seconds=7), draw) for draw in range(9)}


def test_victims_are_uniform_and_independent_of_intervals() -> None:
    """Given many draws of six pods, then each is drawn about equally often, without correlation to the
    intervals.
    """
    counts = [0] * 6
    for draw in range(6_000):
        counts[int(uniform(1, draw, "victim") * 6)] += 1
    product = (
        sum((uniform(1, d, "victim") - 0.5) * (uniform(1, d, "interval") - 0.5) for d in range(6_000)) / 6_000
    )

    assert all(900 < n < 1_100 for n in counts)
    assert abs(product) < 3 * (1 / 12) / math.sqrt(6_000)

"""Exponential back-off."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spiko_local.backoff import Backoff


@given(st.floats(0.01, 1.0), st.floats(0.01, 100.0), st.integers(1, 40))
def test_pauses_double_and_stay_bounded(first_s: float, longest_s: float, attempts: int) -> None:
    """Given any bounds and failures, then pauses double up to the bound, and a reset starts again."""
    backoff = Backoff(first_s, longest_s)
    pauses = [backoff.next_s() for _ in range(attempts)]
    backoff.reset()

    assert pauses == [min(longest_s, first_s * 2**n) for n in range(attempts)]
    assert backoff.next_s() == pauses[0]

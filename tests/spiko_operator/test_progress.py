"""Whether the operator makes progress, for its probes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from spiko_operator.progress import LONGEST_WAIT_S, Progress, find_missing, find_stall

WELL = Progress(listed=True, list_age_s=59.0, event_age_s=3600.0, role="leader")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"list_age_s": 179.0}, None),
        ({"list_age_s": 181.0}, "no full list for 181 s"),
        ({"list_age_s": 181.0, "listed": False}, None),
        ({"queue_age_s": LONGEST_WAIT_S}, None),
        ({"queue_age_s": 601.0}, "an Architecture has waited for a worker for 601 s"),
        ({"pass_age_s": LONGEST_WAIT_S}, None),
        ({"pass_age_s": 601.0}, "a reconcile pass has run for 601 s"),
        ({"event_age_s": None}, None),
        ({"role": "standby", "list_age_s": 3600.0}, None),
    ],
)
def test_a_stall_is_an_old_list_or_a_worker_that_hangs(change: dict[str, Any], reason: str | None) -> None:
    """Given a full list every 60 s, then only a last list of more than three periods ago, and a key or a pass
    of more than ten minutes are a stall; silent watches are none.
    """
    found = find_stall(dataclasses.replace(WELL, **change), 60.0)

    assert found == reason if reason is None else (found or "").startswith(reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"role": "standby"}, None),
        ({"role": "standby", "listed": False}, None),
        ({"role": None}, "the operator is neither leader nor standby yet"),
        ({"listed": False}, "the first full list has not succeeded yet"),
    ],
)
def test_ready_is_who_has_complete_caches_and_a_role(change: dict[str, Any], reason: str | None) -> None:
    """Given an operator, then it is ready as a standby, and as leader once the first list has succeeded."""
    assert reason == find_missing(dataclasses.replace(WELL, **change))

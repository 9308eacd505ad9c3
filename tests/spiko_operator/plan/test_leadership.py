"""The decisions of the election: who may acquire the Lease, and when."""

from __future__ import annotations

from typing import Any

from spiko_operator.plan.leadership import (
    DURATION_S,
    RETRY_S,
    Record,
    Sighting,
    next_record,
    read_record,
    released,
    see,
    wait_s,
    write_record,
)

HELD = Record("a", "t0", "t0", transitions=3)


def test_lease_of_another_holder_is_judged_by_the_time_since_it_was_first_seen() -> None:
    """Given a Lease with times of another clock, then it is free 15 s after its last change was seen."""
    record = Record("a", "2099-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z")
    first = see(None, record, 100.0)
    same = see(first, record, 114.0)
    renewed = see(same, Record("a", record.acquired, "1970-01-01T00:00:00.000000Z"), 114.0)

    assert same.since_s == 100.0
    assert next_record(same, "b", 114.999, "t1") is None
    assert next_record(same, "b", 115.0, "t1") == Record("b", "t1", "t1", 1)
    assert next_record(renewed, "b", 128.999, "t1") is None


def test_renewal_keeps_the_time_of_acquisition_and_the_number_of_transitions() -> None:
    """Given the holder itself, then only the time of the renewal changes, also after the Lease has ended."""
    assert next_record(Sighting(HELD, 0.0), "a", 99.0, "t1") == Record("a", "t0", "t1", 3)


def test_released_lease_is_acquired_at_once_as_a_new_transition() -> None:
    """Given a Lease without a holder, then it is free at once, and there is no shorter wait."""
    free = Sighting(released(HELD, "t1"), since_s=100.0)

    assert free.record == Record("", "t1", "t1", 3, 1)
    assert next_record(free, "b", 100.0, "t2") == Record("b", "t2", "t2", 4)
    assert wait_s(free, "b", 100.0) == RETRY_S


def test_standby_looks_again_when_the_lease_ends() -> None:
    """Given a Lease that ends in less than the retry period, then the next attempt is at that time."""
    held = Sighting(HELD, since_s=100.0)

    assert wait_s(held, "b", 100.0) == RETRY_S
    assert wait_s(held, "b", 100.0 + DURATION_S - 0.5) == 0.5
    assert wait_s(None, "b", 0.0) == wait_s(held, "a", 114.5) == RETRY_S


def test_fields_of_a_lease_that_the_election_does_not_use_are_kept() -> None:
    """Given a Lease with a label and a field of a newer release, then a renewal writes both back."""
    lease: dict[str, Any] = {
        "metadata": {"name": "spiko-operator", "labels": {"team": "x"}, "resourceVersion": "7"},
        "spec": {"holderIdentity": None, "strategy": "OldestEmulationVersion"},
    }

    assert read_record(lease) == Record("", "", "", 0, DURATION_S)
    written = write_record(lease, "spiko", HELD)
    assert written["metadata"] == lease["metadata"]
    assert written["spec"] == {
        "holderIdentity": "a",
        "acquireTime": "t0",
        "renewTime": "t0",
        "leaseTransitions": 3,
        "leaseDurationSeconds": 15,
        "strategy": "OldestEmulationVersion",
    }
    assert read_record(written) == HELD

"""The status that all kinds of faults share: deadline, retries, seed."""

from __future__ import annotations

from typing import Any

from spiko_operator.api.fault import FaultSpec
from spiko_operator.plan.actions import SetStatus
from spiko_operator.plan.faults.fault_status import (
    Progress,
    StatusUpdate,
    progress_of,
    retry_s,
    seconds_left,
    seed_of,
    write_status,
)
from tests.support.kills import NOW, spec

Object = dict[str, Any]


READY: Object = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
NOT_READY: Object = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}


def test_deadline_counts_from_the_first_ready() -> None:
    """Given 30 s, then a recorded start counts, a restart does not extend it, and it has not begun while not
    Ready.
    """
    recorded = {"status": {"startedAt": "2026-01-01T00:00:03Z"}}
    web = spec(tier="web")

    assert (
        seconds_left(recorded, Progress.STARTED, web, NOW)
        == seconds_left(recorded, Progress.STARTING, web, NOW)
        == 23
    )
    assert seconds_left({}, Progress.STARTING, web, NOW) == seconds_left({}, Progress.STARTED, web, NOW) == 30


def test_architecture_that_was_ready_before_counts_as_started() -> None:
    """Given an Architecture that is not Ready, then its state says whether it ever was, so that a Fault does
    not wait for ever.
    """
    assert progress_of(NOT_READY, True) is Progress.STARTED
    assert progress_of(NOT_READY, False) is Progress.STARTING
    assert progress_of(READY, False) is Progress.STARTED
    assert progress_of(None, False) is Progress.MISSING


def test_deadline_without_an_architecture_counts_from_the_condition() -> None:
    """Given a Fault that names no existing Architecture, then it ends after the deadline."""
    condition = {"type": "Accepted", "status": "False", "lastTransitionTime": "2026-01-01T00:00:03Z"}

    assert (
        seconds_left({"status": {"conditions": [condition]}}, Progress.MISSING, spec(tier="web"), NOW) == 23
    )


def test_the_start_of_the_deadline_is_written_once() -> None:
    """Given a recorded start, when the status is written again, then it stays."""
    fault = {"metadata": {"generation": 1}, "spec": {"kill": {}}}
    status = write_status(fault, StatusUpdate(), NOW, NOW)[0]

    assert isinstance(status, SetStatus)
    assert status.status["startedAt"] == NOW


def test_lookups_become_less_frequent() -> None:
    """Given a Fault without targets, then the next lookup follows after a quarter of its age, from 1 s to 30
    s.
    """

    def since(time: str) -> Object:
        return {
            "status": {"conditions": [{"type": "Accepted", "status": "True", "lastTransitionTime": time}]}
        }

    assert [1.0, 2.5, 30.0] == [
        retry_s(since(t), NOW)
        for t in ("2026-01-01T00:00:09Z", "2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z")
    ]


def test_the_seed_derives_from_the_uid_if_it_is_left_out() -> None:
    """Given no seed, then the same Fault has the same seed in every pass, and another Fault another one."""
    without = FaultSpec.model_validate({"architecture": "shop", "kill": {"tier": "web"}})
    one, other = ({"metadata": {"uid": uid}} for uid in ("5b1c", "5b1d"))

    assert seed_of(one, without) == seed_of(one, without) != seed_of(other, without)
    assert seed_of(one, spec(seed=0, tier="web")) == 0

"""Every condition is evaluated again within a minute, also if it depends on something that is not watched."""

from __future__ import annotations

import re

import pytest

from spiko_operator import queueing
from spiko_operator.api.reasons import Reason
from spiko_operator.handlers.pod_inspection import EVERY_S
from spiko_operator.plan.conditions import (
    ACCEPTED,
    APPLIED,
    PODS_VERIFIED,
    PROGRAMMED,
    READY,
    STATE_VERIFIED,
    ZONES,
)
from spiko_operator.plan.reevaluation import REEVALUATE_S, UNWATCHED, reevaluate
from spiko_operator.plan.status import Rejection
from tests.support.paths import ROOT

MINUTE_S = 60.0
EXPECTED_S = {
    APPLIED: queueing.LONGEST_DELAY_S,
    READY: EVERY_S,
    ZONES: REEVALUATE_S,
    PODS_VERIFIED: MINUTE_S,
}
PAGE = (ROOT / "docs" / "conditions.md").read_text()
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ")][1:]
LISTED = [(row[0], word) for row in ROWS for word in re.findall(r"`(\w+)`", row[1])]


def test_the_page_lists_every_condition_and_reason() -> None:
    """Given the reasons of an Architecture's conditions, then the page lists each of them once."""
    values = list(Reason)
    of_architectures = values[: values.index(Reason.ARCHITECTURE_NOT_FOUND)]

    assert sorted(of_architectures) == sorted(reason for _, reason in LISTED if reason in values)
    for kind in (ACCEPTED, APPLIED, PROGRAMMED, READY, ZONES, STATE_VERIFIED, PODS_VERIFIED):
        assert any(f"`{kind}`" in kinds for kinds, _ in LISTED), kind


@pytest.mark.parametrize("row", [row for row in ROWS if "not watched" in row[2]], ids=lambda row: row[1])
def test_what_is_not_watched_is_evaluated_again_within_a_minute(row: list[str]) -> None:
    """Given a row of the page that depends on something that is not watched, then its time is at most a
    minute, and is that of the code.
    """
    seconds = max(float(text) for text in re.findall(r"([\d.]+) s\b", row[3]))
    assert seconds <= MINUTE_S
    if ACCEPTED in row[0]:
        reasons = re.findall(r"`(\w+)`", row[1])
        assert set(reasons) <= UNWATCHED
        for reason in reasons:
            assert [seconds] == [action.after_s for action in reevaluate([Rejection(reason, "")])]
    else:
        assert seconds == next(expected for kind, expected in EXPECTED_S.items() if f"`{kind}`" in row[0])


def test_a_rejection_that_only_the_user_can_resolve_is_not_planned_again() -> None:
    """Given a rejection that depends on the spec only, then the pass is not repeated."""
    assert [] == reevaluate([Rejection(Reason.VERSION_CONFLICT, "")])
    assert set(UNWATCHED) == {word for kinds, word in LISTED if ACCEPTED in kinds} & set(UNWATCHED)

"""Results are built once for the same arguments, and bounded in number."""

from __future__ import annotations

import copy
from typing import Any

from spiko_operator.plan.acceptance import read_state
from spiko_operator.plan.desired import build_desired, draft_configuration
from spiko_operator.plan.memo import Memo
from spiko_operator.plan.observed import Observed
from spiko_operator.plan.reconcile import forget, plan
from tests.support.settled_shop import running, shop


def test_a_slot_keeps_its_last_result_and_the_least_recent_slot_is_dropped() -> None:
    """Given two slots at most, then equal arguments build nothing, other arguments replace a result, and a
    third slot drops the least recently used one.
    """
    built: list[str] = []
    memo = Memo[str](most=2)

    def get(slot: str, arguments: Any) -> str:
        def build() -> str:
            built.append(f"{slot}{arguments}")
            return built[-1]

        return memo.get(slot, arguments, build)

    for slot, arguments in (
        ("a", [1]),
        ("a", [1]),
        ("b", [1]),
        ("a", [2]),
        ("a", [2]),
        ("c", [1]),
        ("a", [2]),
    ):
        assert get(slot, arguments) == f"{slot}{arguments}"
    assert ["a[1]", "b[1]", "a[2]", "c[1]"] == built
    get("b", [1])
    memo.forget("b")
    get("b", [1])
    assert ["b[1]", "b[1]"] == built[4:]


def test_a_settled_pass_reads_and_builds_nothing() -> None:
    """Given a settled Architecture, when it is planned again from a copy of its objects, then its state,
    objects and configuration are those of the pass before; a changed spec and a forgotten Architecture are
    built anew.
    """
    cluster = running()
    first = results(cluster.observe("shop"))
    cluster.objects = copy.deepcopy(cluster.objects)
    assert [] == plan(cluster.observe("shop")).actions
    again = results(cluster.observe("shop"))

    cluster.put(shop(scale=200))
    plan(cluster.observe("shop"))
    cluster.settle("shop")
    changed = results(cluster.observe("shop"))
    forget(("default", "shop"))
    anew = results(cluster.observe("shop"))

    assert all(a is b for a, b in zip(first, again, strict=True))
    assert not any(a is b for a, b in zip(first, changed, strict=True))
    assert not any(a is b for a, b in zip(changed, anew, strict=True))
    assert changed == anew


def results(observed: Observed) -> tuple[object, ...]:
    """Return what a pass keeps for the next one."""
    state, _ = read_state(observed)
    assert state is not None
    built = build_desired(observed, state)
    assert built is not None
    return state, built.spec, built.wanted.objects, draft_configuration(observed, built.spec, state)

"""Totals of the reports of pods."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_nanoservice.eureka.registry.totals import MOST_EDGES, OTHER_ENDS, Totals

CALLER = ("web", "1.0.0", "r", "a")


def report(**errors: int) -> dict[str, Any]:
    """Return the report of one edge for one second."""
    return {
        "edges": [{"to": ["db", "1.0.0", "r", "a"], "ok": 1, "miss": 0, "errors": errors}],
        "served": None,
    }


def test_reasons_are_bounded_and_no_error_is_lost() -> None:
    """Given more than 32 reasons, then the later ones are counted together in second and totals."""
    totals = Totals()
    for second in range(5):
        for pod in range(40):
            totals.add(CALLER, report(**{f"reason {second} {pod}": 2, "x" * 1_000: 1}))
        word = totals.second("e")
        assert word is not None
        assert len(word["edges"][0]["errors"]) <= 33
    (edge,) = totals.totals()["edges"]

    assert len(edge["errors"]) <= 33
    assert edge["errors"]["x" * 64] == 200
    assert sum(edge["errors"].values()) == 5 * 40 * 3


@pytest.mark.long
def test_edges_are_bounded_and_no_call_is_lost() -> None:
    """Given reports of more edges than the limit, then further edges are counted as one, and known edges are
    counted as before.
    """
    totals = Totals()
    totals.add(CALLER, report())
    totals.second("e")
    for number in range(2 * MOST_EDGES // 1_000):
        edges = [
            {"to": ["db", f"{number}", "r", f"{i}"], "ok": 1, "miss": 0, "errors": {}} for i in range(1_000)
        ]
        totals.add(CALLER, {"edges": edges})
        totals.add((f"{number}", "1.0.0", "r", "a"), {"served": edges[0]})
    totals.add(CALLER, report())
    totals.second("e")
    found = totals.totals()

    assert MOST_EDGES >= len(found["edges"]) - 1
    assert {"ok": 2}.items() <= found["edges"][0].items()
    assert [list(end) for end in OTHER_ENDS] in [[edge["from"], edge["to"]] for edge in found["edges"]]
    assert 2 + 1_000 * (2 * MOST_EDGES // 1_000) == sum(edge["ok"] for edge in found["edges"])
    assert 2 * MOST_EDGES // 1_000 == sum(tier["ok"] for tier in found["served"])

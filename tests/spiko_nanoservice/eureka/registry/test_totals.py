"""What pods report, added up."""

from __future__ import annotations

from typing import Any

from spiko_nanoservice.eureka.registry.totals import Totals

CALLER = ("web", "1.0.0", "r", "a")


def report(**errors: int) -> dict[str, Any]:
    """One edge's second."""
    return {"edges": [{"to": ["db", "1.0.0", "r", "a"], "ok": 1, "miss": 0, "errors": errors}], "served": None}


def test_reasons_are_bounded_and_none_is_lost() -> None:
    """A reason is what some pod said: new ones beyond 32 are counted together, in the second and in the totals, and long ones are cut."""
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

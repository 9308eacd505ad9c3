"""Reports of pods that violate the contract."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_nanoservice.contract import ContractError
from spiko_nanoservice.eureka.report_check import MOST_CALLS, MOST_EDGES, MOST_REASONS, check_report

EDGE = {"to": ["db", "1.0.0", "r", "a"], "ok": 5, "miss": 1, "errors": {"reset": 4}}
SERVED = {"ok": MOST_CALLS, "miss": 0, "errors": {}, "not_sent": 3, "writes": 2, "response": "HISTFA"}


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"edges": [EDGE] * MOST_EDGES, "served": SERVED},
        {"hurt": {"uid": {"reset": 1}}, "dropped_spans": 7},
        {"exporting": ["http://c", ""]},
    ],
)
def test_a_valid_report_passes(report: dict[str, Any]) -> None:
    """Given a report at its limits, then it is accepted."""
    check_report(report)


@pytest.mark.parametrize(
    ("report", "field"),
    [
        ({"edges": 7}, "edges"),
        ({"edges": [EDGE] * (MOST_EDGES + 1)}, "edges"),
        ({"edges": [EDGE, {"to": ["db", "1.0.0"]}]}, "edges.ok"),
        ({"edges": [EDGE | {"to": []}]}, "edges.to"),
        ({"edges": [EDGE | {"to": ["db", "1.0.0", "r", "a\n"]}]}, "edges.to"),
        ({"edges": [EDGE | {"to": ["x" * 254, "1.0.0", "r", "a"]}]}, "edges.to"),
        ({"edges": [EDGE | {"ok": -1}]}, "edges.ok"),
        ({"edges": [EDGE | {"ok": True}]}, "edges.ok"),
        ({"edges": [EDGE | {"miss": MOST_CALLS + 1}]}, "edges.miss"),
        ({"edges": [EDGE | {"errors": {"reset": float("inf")}}]}, "edges.errors.reset"),
        ({"edges": [EDGE | {"errors": {"reset": "7"}}]}, "edges.errors.reset"),
        ({"edges": [EDGE | {"errors": {str(n): 1 for n in range(MOST_REASONS + 1)}}]}, "edges.errors"),
        ({"served": [1]}, "served"),
        ({"served": SERVED | {"response": "x" * 65_537}}, "served.response"),
        ({"hurt": {"id": 5}}, "hurt"),
        ({"hurt": {"x" * 254: {}}}, "hurt"),
        ({"dropped_spans": 1.5}, "dropped_spans"),
        ({"exporting": {"a": 1}}, "exporting"),
        ({"exporting": 7}, "exporting"),
        ({"exporting": ["http://c", None]}, "exporting"),
        ({"exporting": ["http://c"]}, "exporting"),
    ],
)
def test_a_report_that_violates_the_contract_is_refused_with_the_field(
    report: dict[str, Any], field: str
) -> None:
    """Given a value of a wrong type or out of bounds, then the error names its field."""
    with pytest.raises(ContractError) as error:
        check_report(report)

    assert field == str(error.value).partition(":")[0]

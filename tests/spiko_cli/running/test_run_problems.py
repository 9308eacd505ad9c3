"""Why a run fails, or receives no traces."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_cli.running.run_problems import explain_no_spans, explain_not_accepted, explain_not_ready
from spiko_cli.running.run_spec import RunOptions, RunSpec
from spiko_operator.plan.health import Verdict, Verdicts
from spiko_operator.plan.health_conditions import observe_health

ENDPOINT = "http://127.0.0.1:4318"
OPTIONS = RunOptions(10.0, "demo", 1, 60.0, keep=False, endpoint=ENDPOINT)


def conditions(*types: str, status: str = "False") -> dict[str, Any]:
    """Return conditions with a message each."""
    return {type_: {"status": status, "message": f"{type_} is {status}"} for type_ in types}


def exporting(holds: bool) -> dict[str, Any]:
    """Return the condition of the operator."""
    verdict = Verdict(holds, "23 of 23 pods: refused", ENDPOINT)
    (found,) = observe_health(Verdicts(exporting=verdict), ENDPOINT, ())
    return {found.type: {"status": found.status, "message": found.message}}


def spec(**telemetry: int) -> RunSpec:
    """Return an Architecture with such telemetry."""
    return RunSpec({"spec": {"telemetry": telemetry}})


@pytest.mark.parametrize(
    ("found", "failure"),
    [
        pytest.param(exporting(False), " (does not take the spans of 23 of 23 pods: refused)", id="failing"),
        pytest.param(exporting(True), "", id="taken earlier"),
        pytest.param({}, "", id="not known"),
    ],
)
def test_lost_traces_are_explained_in_one_line(found: dict[str, Any], failure: str) -> None:
    """Given no spans, then one line has the address, the failure that pods report, and the remedy."""
    text = explain_no_spans(spec(), ENDPOINT, 100, found)

    assert text == (
        f"no spans arrived at {ENDPOINT}: pods of this cluster cannot reach this address{failure};"
        " use --otlp-listen ADDRESS, or --no-traces"
    )


@pytest.mark.parametrize(
    ("requests", "telemetry"), [(0, {}), (100, {"samplesPerMillion": 0})], ids=["no requests", "no samples"]
)
def test_traces_that_could_not_be_expected_are_not_missed(requests: int, telemetry: dict[str, int]) -> None:
    """Given no requests, or an Architecture that records no trace, then there is nothing to explain."""
    assert "" == explain_no_spans(spec(**telemetry), ENDPOINT, requests, exporting(False))


def test_a_cluster_without_an_operator_is_named_as_such() -> None:
    """Given no condition, then no operator is at work; given one, then its message is the reason."""
    without = explain_not_ready("lamp", OPTIONS, {})
    waiting = explain_not_ready("lamp", OPTIONS, conditions("Ready"))

    assert 'no operator has reconciled architecture "lamp" within 60 s' in without
    assert 'watches namespace "demo"' in without
    assert "is not ready after 60 s: Ready is False; allow more time with --timeout" in waiting


def test_only_a_spec_that_is_rejected_ends_the_wait() -> None:
    """Given no verdict or acceptance, then the run goes on."""
    assert "" == explain_not_accepted("lamp", OPTIONS, {})
    assert "" == explain_not_accepted("lamp", OPTIONS, conditions("Accepted", status="True"))
    assert "Accepted is False" in explain_not_accepted("lamp", OPTIONS, conditions("Accepted"))

"""Probes: defaults, counts in a row, and ports."""

from __future__ import annotations

from spiko_local.kubelet.model.probe import Probe, ProbeCount, read_probe


def test_a_verdict_needs_results_in_a_row() -> None:
    """Given a threshold of three failures, then two and a success are no verdict, and three are."""
    count = ProbeCount(Probe({}, 0, 1, 1, successes=1, failures=3))
    verdicts = [count.add(result) for result in (True, False, False, True, False, False, False, False)]

    assert [True, False, False, False, False, False, True, False] == verdicts
    assert count.verdict is False


def test_missing_fields_have_the_defaults_of_kubernetes() -> None:
    """Given an empty probe, then period, timeout and thresholds are 10 s, 1 s, 1 and 3; no probe is None."""
    probe = read_probe({"readinessProbe": {}}, "readiness")

    assert probe == Probe({}, 0.0, 10.0, 1.0, successes=1, failures=3)
    assert read_probe({"readinessProbe": {}}, "liveness") is None

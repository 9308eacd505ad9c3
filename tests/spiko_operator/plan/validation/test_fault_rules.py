"""The rules on a kill, and on the chaos monkey."""

from __future__ import annotations

import pytest

from spiko_operator.plan.validation.checks import check
from tests.support.manifests import Object, manifest, tier

KILLS = [
    ({"tier": "a"}, []),
    ({"pod": "p", "method": "Delete", "gracePeriodSeconds": 0}, []),
    ({"tier": "a", "version": "1.0.0", "region": "r", "zone": "z", "count": 3}, []),
    ({"tier": "a", "percent": 100, "method": "Crash"}, []),
    ({"tier": "a", "pod": "p"}, ["SPK070 spec.kill"]),
    ({}, ["SPK070 spec.kill"]),
    ({"tier": "a", "gracePeriodSeconds": 1}, ["SPK070 spec.kill.gracePeriodSeconds"]),
    ({"tier": "a", "gracePeriodSeconds": 1, "method": "Crash"}, ["SPK070 spec.kill.gracePeriodSeconds"]),
    ({"tier": "eureka", "method": "Crash"}, ["SPK070 spec.kill.method"]),
    ({"tier": "a", "count": 1, "percent": 1}, ["SPK071 spec.kill.percent"]),
    ({"pod": "p", "count": 1, "zone": "z"}, ["SPK071 spec.kill.zone", "SPK071 spec.kill.count"]),
    ({"tier": "a", "percent": 0}, ["SPK013 spec.kill.percent"]),
    ({"tier": "a", "percent": 101}, ["SPK013 spec.kill.percent"]),
    ({"tier": "a", "count": 0}, ["SPK013 spec.kill.count"]),
    ({"tier": "a", "count": 33}, ["SPK013 spec.kill.count"]),
    ({"tier": "a", "method": "Kill"}, ["SPK016 spec.kill.method"]),
]


@pytest.mark.parametrize(("kill", "expected"), KILLS, ids=[str(row[0]) for row in KILLS])
def test_rules_of_a_kill(kill: Object, expected: list[str]) -> None:
    """Given a kill, then it must have one of tier and pod, at most one of count and percent, a grace period
    only with Delete, and must not crash eurekas.
    """
    body = {
        "apiVersion": "spiko.dev/v1alpha1",
        "kind": "Fault",
        "metadata": {"name": "f"},
        "spec": {"architecture": "lamp", "kill": kill},
    }

    assert expected == [f"{f.code} {f.path}" for f in check(body)]
    assert all(f.hint for f in check(body) if f.code.startswith("SPK07"))


MONKEYS = [
    ({}, None, []),
    ({"mode": "Off"}, None, []),
    ({"mode": "Enforce", "meanSeconds": 60, "minSeconds": 60}, "a", []),
    ({"mode": "Enforce"}, None, ["SPK075 spec.chaos.monkey.mode"]),
    ({"mode": "DryRun"}, "x", ["SPK021 spec.victim"]),
    ({"mode": "Enforce", "meanSeconds": 9, "minSeconds": 10}, "a", ["SPK076 spec.chaos.monkey.minSeconds"]),
    ({"minSeconds": 301}, None, ["SPK076 spec.chaos.monkey.minSeconds"]),
    ({"mode": "Enforce", "meanSeconds": 0}, "a", ["SPK013 spec.chaos.monkey.meanSeconds"]),
    ({"mode": "Enforce"}, "lone", ["SPK077 spec.victim"]),
    ({"mode": "Off"}, "lone", []),
]


@pytest.mark.parametrize(
    ("monkey", "victim", "expected"), MONKEYS, ids=[f"{monkey} on {victim}" for monkey, victim, _ in MONKEYS]
)
def test_rules_of_the_monkey(monkey: Object, victim: str | None, expected: list[str]) -> None:
    """Given a monkey without a victim, with a minimum above the mean, or with a victim tier of one instance,
    then there is a finding.
    """
    body = manifest(tier("a", count=3), tier("lone", count=1))
    body["spec"] |= {"chaos": {"monkey": monkey}} | ({"victim": victim} if victim else {})

    assert expected == [f"{f.code} {f.path}" for f in check(body)]


def test_bare_off_is_reported_with_its_quotes() -> None:
    """Given mode: Off, which YAML reads as false, then the finding says how to write it."""
    body = manifest(tier("a", count=3))
    body["spec"]["chaos"] = {"monkey": {"mode": False}}

    assert ['YAML reads a bare Off as false: write "Off"'] == [f.hint for f in check(body)]

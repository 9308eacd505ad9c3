"""The rules on sources and cycles."""

from __future__ import annotations

import time

import pytest

from spiko_operator.plan.validation.checks import check, spec_rules
from spiko_operator.plan.validation.partial_spec import read_partial_spec
from spiko_operator.plan.validation.rule import Severity
from tests.support.manifests import Object, manifest, tier, two


def test_missing_and_idle_sources_are_warnings() -> None:
    """Given no denominator, a tier that no source reaches, or a source without dependencies, then there is a
    warning.
    """
    silent = manifest(tier())
    silent["spec"]["services"].pop()
    idle = manifest(tier())
    idle["spec"]["services"][1]["dependencies"] = []

    assert [f.reason for f in check(silent)] == ["NoSource"]
    assert {"IdleSource", "UnreachedTier"} == {f.reason for f in check(idle)}
    assert {Severity.WARNING} == {f.severity for f in check(idle)}


CYCLES = [
    (
        "two routers",
        [tier("a", "elb", dependencies=["b"]), tier("b", "monolith", dependencies=["a", "db"])],
        ['"a" -> "b" -> "a"'],
    ),
    (
        "three tiers with a staash",
        [
            tier("a", "zuul", 3, dependencies=["b"]),
            tier("b", "staash", 3, dependencies=["c"]),
            tier("c", "karyon", 3, dependencies=["b"]),
        ],
        ['"b" -> "c" -> "b"'],
    ),
    (
        "two cycles",
        [
            tier("a", "elb", dependencies=["b"]),
            tier("b", "elb", dependencies=["a", "c"]),
            tier("c", "elb", 2, dependencies=["c"]),
        ],
        ['"a" -> "b" -> "a"', '"c" -> "c"'],
    ),
    (
        "a version that is a router",
        [
            tier("a", "elb", dependencies=["b"]),
            tier("b", dependencies=["a"], versions=two(package="monolith")),
        ],
        ['"a" -> "b" -> "a"'],
    ),
    ("a router of one instance that lists itself", [tier("a", "elb", 1, dependencies=["a", "db"])], []),
    ("a staash that lists itself", [tier("a", "staash", 3, dependencies=["a", "db"])], []),
    (
        "stores that replicate to each other",
        [tier("a", "store", 3, dependencies=["b"]), tier("b", "store", 3, dependencies=["a"])],
        [],
    ),
    (
        "a cycle through a store",
        [tier("a", "elb", dependencies=["b"]), tier("b", "store", dependencies=["a"])],
        [],
    ),
]


@pytest.mark.parametrize(("tiers", "cycles"), [row[1:] for row in CYCLES], ids=[row[0] for row in CYCLES])
def test_cycle_of_forwarding_tiers_is_a_warning(tiers: list[Object], cycles: list[str]) -> None:
    """Given a cycle of forwarding tiers, then there is a warning with the cycle; stores and caches end a
    cycle.
    """
    found = [f for f in check(manifest(*tiers, tier(count=3))) if f.code == "SPK036"]

    assert [f"requests may loop: {cycle}" for cycle in cycles] == [f.message for f in found]
    assert all(f.severity is Severity.WARNING and f.path.endswith("dependencies[0]") for f in found)


def test_largest_architecture_is_checked_in_time() -> None:
    """Given 1,000 tiers of 32 dependencies, all unknown or in one large cycle, then the check takes less than
    the time between two heartbeats.
    """
    names = [f"tier-{number:03}-of-a-very-long-name-indeed" for number in range(1_000)]
    wrong = [tier(name, "monolith", 2, dependencies=[f"{name}-{n}" for n in range(32)]) for name in names]
    cycle = [
        tier(name, "monolith", 2, dependencies=[names[(i + n) % 1_000] for n in range(1, 33)])
        for i, name in enumerate(names)
    ]
    for services, expected in ((wrong, "UnknownDependency"), (cycle, "DependencyCycle")):
        partial = read_partial_spec(manifest(*services))
        began = time.process_time()
        findings = spec_rules(partial)

        assert time.process_time() - began < 1.0
        assert expected in {f.reason for f in findings}


def test_a_version_may_be_the_source() -> None:
    """Given a tier of which one version is a denominator, then it may have a rate, and it is a source."""
    source = tier(
        "s", "elb", dependencies=["db"], versions=two(package="denominator"), load={"ratePerSecond": 5}
    )
    body = manifest(tier(), source)
    body["spec"]["services"].pop()

    assert [] == check(body)

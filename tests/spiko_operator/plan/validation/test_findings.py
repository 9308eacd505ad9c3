"""Findings of single manifests: all at once, each with its code, path, value and remedy."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiko_nanoservice.contract import Package
from spiko_nanoservice.roles.registry import make_role
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.validation.checks import check, check_spec, spec_rules
from spiko_operator.plan.validation.partial_spec import read_partial_spec
from spiko_operator.plan.validation.rules import RULES, Severity

Object = dict[str, Any]


def tier(name: Any = "db", package: Any = "store", count: Any = 1, regions: Any = 1, **more: Any) -> Object:
    """Return one service."""
    return {"name": name, "package": package, "count": count, "regions": regions, **more}


def manifest(*services: Any, name: Any = "lamp", **spec: Any) -> Object:
    """Return an Architecture with a source for its first tier."""
    source = tier(
        "www",
        "denominator",
        0,
        0,
        dependencies=[s["name"] for s in services if isinstance(s.get("name"), str)][:32],
    )
    return {
        "apiVersion": "spiko.dev/v1alpha1",
        "kind": "Architecture",
        "metadata": {"name": name},
        "spec": {"services": [*services, source], **spec},
    }


def two(**second: Any) -> list[Object]:
    """Return the version 1.0.0 and another one."""
    return [{"version": "1.0.0"}, {"version": "1.1.0", **second}]


def split(*weights: tuple[str, int]) -> Object:
    """Return a routing."""
    return {"split": [{"version": version, "weight": weight} for version, weight in weights]}


S = "spec.services[0]"
LOGNORMAL = {"medianMicroseconds": 5, "p99Microseconds": 9}
ROWS = [
    ("an unknown package", manifest(tier(package="stor")), "UnknownValue", f"{S}.package"),
    (
        "a dependency on an unknown tier",
        manifest(tier(dependencies=["unknown"])),
        "UnknownDependency",
        f"{S}.dependencies[0]",
    ),
    ("an unknown victim", manifest(tier(), victim="dbb"), "UnknownVictim", "spec.victim"),
    ("a duplicate tier", manifest(tier(), tier()), "DuplicateTier", "spec.services[1].name"),
    (
        "names that differ in case only",
        manifest(tier("DB"), tier("db")),
        "NameCollision",
        "spec.services[1].name",
    ),
    ("a tier named eureka", manifest(tier("eureka")), "ReservedName", f"{S}.name"),
    ("a tier named like a eureka's Service", manifest(tier("eureka-z1")), "ReservedName", f"{S}.name"),
    ("a tier named like the state ConfigMap", manifest(tier("state")), "ReservedName", f"{S}.name"),
    (
        "a karyon with a dependency outside any zone",
        manifest(tier("k", "karyon", 3, dependencies=["lb"]), tier("lb", "elb", 0)),
        "UnreachableDependency",
        f"{S}.dependencies[0]",
    ),
    (
        "a dependency in two of three zones",
        manifest(tier("k", "zuul", 3, dependencies=["db"]), tier(count=2)),
        "PartialSight",
        f"{S}.dependencies[0]",
    ),
    (
        "a version whose package sees its own zone only",
        manifest(
            tier("m", "monolith", 3, dependencies=["lb"], versions=two(package="karyon")),
            tier("lb", "elb", 0),
        ),
        "UnreachableDependency",
        f"{S}.dependencies[0]",
    ),
    (
        "an elb without a dependency",
        manifest(
            tier("www", "denominator", 0, dependencies=["lb"]), tier("lb", "elb", 0, dependencies=["eureka"])
        ),
        "IdleRouter",
        "spec.services[1].dependencies",
    ),
    (
        "a source that is called",
        manifest(
            tier("www", "denominator", 0, dependencies=["w2"]),
            tier("w2", "denominator", 0, dependencies=["db"]),
            tier(),
        ),
        "CalledSource",
        "spec.services[1].package",
    ),
    ("a negative count", manifest(tier(count=-1)), "OutOfRange", f"{S}.count"),
    ("a huge count", manifest(tier(count=10**30)), "OutOfRange", f"{S}.count"),
    ("a float count", manifest(tier(count=1.0)), "WrongType", f"{S}.count"),
    ("a boolean count", manifest(tier(count=True)), "WrongType", f"{S}.count"),
    ("a count in quotes", manifest(tier(count="3")), "WrongType", f"{S}.count"),
    ("no count", manifest({"name": "db", "package": "store"}), "MissingField", f"{S}.count"),
    ("a name with a dot", manifest(tier("a.b")), "BadName", f"{S}.name"),
    ("an empty name", manifest(tier("")), "TooLong", f"{S}.name"),
    ("a name in another script", manifest(tier("база")), "BadName", f"{S}.name"),
    ("a name that is too long", manifest(tier("a" * 39)), "TooLong", f"{S}.name"),
    ("5,000 characters", manifest(tier("a" * 5000)), "TooLong", f"{S}.name"),
    (
        "weights that are all 0",
        manifest(tier(versions=two(), routing=split(("1.0.0", 0), ("1.1.0", 0)))),
        "AllWeightsZero",
        f"{S}.routing.split",
    ),
    (
        "an undeclared version",
        manifest(tier(routing=split(("2.0.0", 100)))),
        "UndeclaredVersion",
        f"{S}.routing.split[0].version",
    ),
    (
        "mixed majors",
        manifest(
            tier(
                versions=[{"version": "1.0.0"}, {"version": "2.0.0"}],
                routing=split(("1.0.0", 50), ("2.0.0", 50)),
            )
        ),
        "MixedMajors",
        f"{S}.routing.split",
    ),
    (
        "a duplicate version",
        manifest(tier(versions=[{"version": "1.0.0"}] * 2)),
        "DuplicateVersion",
        f"{S}.versions[1].version",
    ),
    (
        "an invalid version",
        manifest(tier(versions=[{"version": "1.0"}])),
        "BadName",
        f"{S}.versions[0].version",
    ),
    (
        "a duplicate dependency",
        manifest(tier(dependencies=["www", "www"])),
        "DuplicateDependency",
        f"{S}.dependencies[1]",
    ),
    ("1,001 services", manifest(*(tier(f"t{i}") for i in range(1000))), "TooLong", "spec.services"),
    ("an unknown field", manifest(tier(cuont=1)), "UnknownField", f"{S}.cuont"),
    ("an unknown field of the spec", manifest(tier(), victm="db"), "UnknownField", "spec.victm"),
    ("scale 0", manifest(tier(), scale=0), "OutOfRange", "spec.scale"),
    (
        "a port out of range",
        manifest(tier(), telemetry={"otlpEndpoint": "http://x:99999"}),
        "BadName",
        "spec.telemetry.otlpEndpoint",
    ),
    (
        "a port in letters",
        manifest(tier(), telemetry={"otlpEndpoint": "http://x:abc"}),
        "BadName",
        "spec.telemetry.otlpEndpoint",
    ),
    (
        "an endpoint without a host",
        manifest(tier(), telemetry={"otlpEndpoint": "http://:80"}),
        "BadName",
        "spec.telemetry.otlpEndpoint",
    ),
    ("a load on a store", manifest(tier(load={"ratePerSecond": 5})), "LoadWithoutSource", f"{S}.load"),
    (
        "a lognormal service time without p99",
        manifest(tier(behavior={"serviceTime": {"lognormal": {"medianMicroseconds": 5}}})),
        "MissingField",
        f"{S}.behavior.serviceTime.lognormal.p99Microseconds",
    ),
    (
        "a p99 below the median",
        manifest(tier(behavior={"serviceTime": {"lognormal": LOGNORMAL | {"p99Microseconds": 4}}})),
        "BadServiceTime",
        f"{S}.behavior.serviceTime.lognormal.p99Microseconds",
    ),
    (
        "two distributions",
        manifest(tier(behavior={"serviceTime": {"lognormal": LOGNORMAL, "constant": {"microseconds": 5}}})),
        "BadServiceTime",
        f"{S}.behavior.serviceTime",
    ),
    (
        "a service time without a distribution",
        manifest(tier(versions=[{"version": "1.0.0", "behavior": {"serviceTime": {}}}])),
        "BadServiceTime",
        f"{S}.versions[0].behavior.serviceTime",
    ),
    ("a name of 25 characters", manifest(tier(), name="a" * 25), "BadObjectName", "metadata.name"),
    ("an upper-case object name", manifest(tier(), name="Lamp"), "BadObjectName", "metadata.name"),
    ("a number as name", manifest(tier(), name=7), "WrongType", "metadata.name"),
    (
        "another version of the API",
        manifest(tier()) | {"apiVersion": "spiko.dev/v2"},
        "WrongKind",
        "apiVersion",
    ),
    (
        "services that are an object",
        manifest() | {"spec": {"services": {"db": 1}}},
        "WrongType",
        "spec.services",
    ),
]


@pytest.mark.parametrize(("body", "reason", "path"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_each_rule_reports_its_path(body: Object, reason: str, path: str) -> None:
    """Given a violation of one rule, then there is its finding at its path, with a message and a remedy."""
    found = {(f.reason, f.path): f for f in check(body)}

    assert (reason, path) in found
    finding = found[reason, path]
    assert finding.message
    assert finding.hint
    assert len(finding.message) < 400


def test_all_violations_are_reported_at_once() -> None:
    """Given a manifest with six violations, then there are six findings."""
    body = manifest(tier("a.b", "stoe", -1, dependencies=["x"]), name="Lamp", scale=0)

    assert {"BadName", "UnknownValue", "OutOfRange", "UnknownDependency", "BadObjectName"} <= {
        f.reason for f in check(body)
    }


def test_valid_manifest_has_no_findings() -> None:
    """Given a valid manifest, then there are no findings."""
    assert check(manifest(tier(behavior={"serviceTime": {"lognormal": LOGNORMAL}}))) == []
    assert check(manifest(tier(versions=two(), routing=split(("1.0.0", 9_999), ("1.1.0", 1))))) == []


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


def test_a_version_may_be_the_source() -> None:
    """Given a tier of which one version is a denominator, then it may have a rate, and it is a source."""
    source = tier(
        "s", "elb", dependencies=["db"], versions=two(package="denominator"), load={"ratePerSecond": 5}
    )
    body = manifest(tier(), source)
    body["spec"]["services"].pop()

    assert [] == check(body)


@pytest.mark.parametrize("package", Package)
def test_every_package_has_a_role(package: Package) -> None:
    """Given a package of the resource, then the operator accepts it and the nanoservice has its role."""
    body = manifest(tier(package=package.value))
    spec = ArchitectureSpec.model_validate(body["spec"], strict=False)

    assert [] == [f for f in (*check(body), *check_spec("lamp", spec)) if f.severity is Severity.ERROR]
    assert make_role(package) is not None


ENDPOINTS = (
    "http://otel",
    "http://otel:1",
    "http://a.b-c.svc:65535/x/y",
    "http://127.0.0.1:4318/",
    "http://[::1]:4318",
)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_otlp_endpoint_form(endpoint: str) -> None:
    """Given an endpoint, then it must be a URL with a host, an optional port and an optional path; the
    finding has the form.
    """
    assert [] == check(manifest(tier(), telemetry={"otlpEndpoint": endpoint}))

    refused = check(manifest(tier(), telemetry={"otlpEndpoint": endpoint + " "}))

    assert ["use http://HOST:PORT with a port from 1 to 65535, optionally with a path"] == [
        f.hint for f in refused
    ]


def test_codes_are_unique() -> None:
    """Every code belongs to one rule."""
    assert len(RULES) == len({rule.code for rule in RULES.values()})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
keys = st.sampled_from(
    [
        "services",
        "name",
        "package",
        "count",
        "versions",
        "routing",
        "split",
        "version",
        "behavior",
        "delay",
        "victim",
        "topology",
    ]
)
almost = st.recursive(
    anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=30,
)


@given(anything, almost)
def test_check_never_raises(document: Any, spec: Any) -> None:
    """Given any document that YAML can express, then `check` returns findings."""
    check(document)
    check(
        {"apiVersion": "spiko.dev/v1alpha1", "kind": "Architecture", "metadata": {"name": "a"}, "spec": spec}
    )
    check({"apiVersion": "spiko.dev/v1alpha1", "kind": "Fault", "metadata": {"name": "a"}, "spec": spec})

"""Every fault of a manifest is found, all at once, each with its code, path, value and way out."""

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
from spiko_operator.plan.validation.findings import RULES, Severity
from spiko_operator.plan.validation.partial_spec import read_partial_spec

Object = dict[str, Any]


def tier(name: Any = "db", package: Any = "store", count: Any = 1, regions: Any = 1, **more: Any) -> Object:
    """One service."""
    return {"name": name, "package": package, "count": count, "regions": regions, **more}


def manifest(*services: Any, name: Any = "lamp", **spec: Any) -> Object:
    """An Architecture with a source for its first tier."""
    source = tier(
        "www", "denominator", 0, 0, dependencies=[s["name"] for s in services if isinstance(s.get("name"), str)][:32]
    )
    return {
        "apiVersion": "spiko.dev/v1alpha1",
        "kind": "Architecture",
        "metadata": {"name": name},
        "spec": {"services": [*services, source], **spec},
    }


def two(**second: Any) -> list[Object]:
    """A version 1.0.0 and another."""
    return [{"version": "1.0.0"}, {"version": "1.1.0", **second}]


def split(*weights: tuple[str, int]) -> Object:
    """A routing."""
    return {"split": [{"version": version, "weight": weight} for version, weight in weights]}


S = "spec.services[0]"
LOGNORMAL = {"medianMicroseconds": 5, "p99Microseconds": 9}
ROWS = [
    ("an unknown package", manifest(tier(package="stor")), "UnknownValue", f"{S}.package"),
    (
        "a dependency on an unknown tier",
        manifest(tier(dependencies=["nobody"])),
        "UnknownDependency",
        f"{S}.dependencies[0]",
    ),
    ("a victim that is no tier", manifest(tier(), victim="dbb"), "UnknownVictim", "spec.victim"),
    ("a tier twice", manifest(tier(), tier()), "DuplicateTier", "spec.services[1].name"),
    ("names that differ in case only", manifest(tier("DB"), tier("db")), "NameCollision", "spec.services[1].name"),
    ("a tier named eureka", manifest(tier("eureka")), "ReservedName", f"{S}.name"),
    ("a tier named as a eureka's Service", manifest(tier("eureka-z1")), "ReservedName", f"{S}.name"),
    ("a tier named as the memory", manifest(tier("state")), "ReservedName", f"{S}.name"),
    (
        "a karyon over something without a zone",
        manifest(tier("k", "karyon", 3, dependencies=["lb"]), tier("lb", "elb", 0)),
        "UnreachableDependency",
        f"{S}.dependencies[0]",
    ),
    (
        "partial sight",
        manifest(tier("k", "zuul", 3, dependencies=["db"]), tier(count=2)),
        "PartialSight",
        f"{S}.dependencies[0]",
    ),
    (
        "a version that sees less than its tier",
        manifest(tier("m", "monolith", 3, dependencies=["lb"], versions=two(package="karyon")), tier("lb", "elb", 0)),
        "UnreachableDependency",
        f"{S}.dependencies[0]",
    ),
    (
        "an elb that nobody answers",
        manifest(tier("www", "denominator", 0, dependencies=["lb"]), tier("lb", "elb", 0, dependencies=["eureka"])),
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
            tier(versions=[{"version": "1.0.0"}, {"version": "2.0.0"}], routing=split(("1.0.0", 50), ("2.0.0", 50)))
        ),
        "MixedMajors",
        f"{S}.routing.split",
    ),
    (
        "a version twice",
        manifest(tier(versions=[{"version": "1.0.0"}] * 2)),
        "DuplicateVersion",
        f"{S}.versions[1].version",
    ),
    ("a version that is none", manifest(tier(versions=[{"version": "1.0"}])), "BadName", f"{S}.versions[0].version"),
    ("a dependency twice", manifest(tier(dependencies=["www", "www"])), "DuplicateDependency", f"{S}.dependencies[1]"),
    ("1,001 services", manifest(*(tier(f"t{i}") for i in range(1000))), "TooLong", "spec.services"),
    ("an unknown field", manifest(tier(cuont=1)), "UnknownField", f"{S}.cuont"),
    ("an unknown field of the spec", manifest(tier(), victm="db"), "UnknownField", "spec.victm"),
    ("scale 0", manifest(tier(), scale=0), "OutOfRange", "spec.scale"),
    (
        "a port that is none",
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
    ("a number for a name", manifest(tier(), name=7), "WrongType", "metadata.name"),
    ("another version of the API", manifest(tier()) | {"apiVersion": "spiko.dev/v2"}, "WrongKind", "apiVersion"),
    ("services that are no list", manifest() | {"spec": {"services": {"db": 1}}}, "WrongType", "spec.services"),
]


@pytest.mark.parametrize(("body", "reason", "path"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_it_is_found_where_it_is(body: Object, reason: str, path: str) -> None:
    """Each case gives its finding at its path, with a message and a way out."""
    found = {(f.reason, f.path): f for f in check(body)}

    assert (reason, path) in found
    finding = found[reason, path]
    assert finding.message
    assert finding.hint
    assert len(finding.message) < 400


def test_all_faults_are_reported_at_once() -> None:
    """Six faults of one manifest are six findings."""
    body = manifest(tier("a.b", "stoe", -1, dependencies=["x"]), name="Lamp", scale=0)

    assert {"BadName", "UnknownValue", "OutOfRange", "UnknownDependency", "BadObjectName"} <= {
        f.reason for f in check(body)
    }


def test_a_good_manifest_has_no_finding() -> None:
    """Nothing is found where nothing is wrong."""
    assert check(manifest(tier(behavior={"serviceTime": {"lognormal": LOGNORMAL}}))) == []
    assert check(manifest(tier(versions=two(), routing=split(("1.0.0", 9_999), ("1.1.0", 1))))) == []


def test_without_a_source_or_a_way_from_it_there_is_a_warning() -> None:
    """No denominator; a tier that no source reaches; a source without dependencies."""
    silent = manifest(tier())
    silent["spec"]["services"].pop()
    idle = manifest(tier())
    idle["spec"]["services"][1]["dependencies"] = []

    assert [f.reason for f in check(silent)] == ["NoSource"]
    assert {"IdleSource", "UnreachedTier"} == {f.reason for f in check(idle)}
    assert {Severity.WARNING} == {f.severity for f in check(idle)}


CIRCLES = [
    ("two routers", [tier("a", "elb", dependencies=["b"]), tier("b", "monolith", dependencies=["a", "db"])], ['"a" -> "b" -> "a"']),
    ("three, and a staash among them", [
        tier("a", "zuul", 3, dependencies=["b"]), tier("b", "staash", 3, dependencies=["c"]), tier("c", "karyon", 3, dependencies=["b"]),
    ], ['"b" -> "c" -> "b"']),
    ("two circles", [
        tier("a", "elb", dependencies=["b"]), tier("b", "elb", dependencies=["a", "c"]), tier("c", "elb", 2, dependencies=["c"]),
    ], ['"a" -> "b" -> "a"', '"c" -> "c"']),
    ("through a version that is a router", [
        tier("a", "elb", dependencies=["b"]), tier("b", dependencies=["a"], versions=two(package="monolith")),
    ], ['"a" -> "b" -> "a"']),
    ("a router of one instance that names itself", [tier("a", "elb", 1, dependencies=["a", "db"])], []),
    ("a staash that names itself", [tier("a", "staash", 3, dependencies=["a", "db"])], []),
    ("stores that replicate to each other", [tier("a", "store", 3, dependencies=["b"]), tier("b", "store", 3, dependencies=["a"])], []),
    ("a circle through a store, which answers", [tier("a", "elb", dependencies=["b"]), tier("b", "store", dependencies=["a"])], []),
]  # fmt: skip


@pytest.mark.parametrize(("tiers", "circles"), [row[1:] for row in CIRCLES], ids=[row[0] for row in CIRCLES])
def test_a_circle_of_tiers_that_pass_requests_on_is_a_warning(tiers: list[Object], circles: list[str]) -> None:
    """Spigo runs it, so it is carried out; but a request goes round until its deadline. What answers by itself ends a circle."""
    found = [f for f in check(manifest(*tiers, tier(count=3))) if f.code == "SPK036"]

    assert [f"requests may run in a cycle: {circle}" for circle in circles] == [f.message for f in found]
    assert all(f.severity is Severity.WARNING and f.path.endswith("dependencies[0]") for f in found)


def test_the_largest_architecture_is_checked_in_a_moment() -> None:
    """It is checked in every round, between two heartbeats: 1,000 tiers with 32 dependencies each, all of them wrong, or in one great circle."""
    names = [f"tier-{number:03}-of-a-very-long-name-indeed" for number in range(1_000)]
    wrong = [tier(name, "monolith", 2, dependencies=[f"{name}-{n}" for n in range(32)]) for name in names]
    round_ = [
        tier(name, "monolith", 2, dependencies=[names[(i + n) % 1_000] for n in range(1, 33)])
        for i, name in enumerate(names)
    ]
    for services, expected in ((wrong, "UnknownDependency"), (round_, "DependencyCycle")):
        sketch = read_partial_spec(manifest(*services))
        began = time.process_time()
        findings = spec_rules(sketch)

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


@pytest.mark.parametrize(("kill", "expected"), KILLS)
def test_a_kill_says_whom_how_many_and_how(kill: Object, expected: list[str]) -> None:
    """Exactly one of tier and pod; count or percent, and a scope, of a tier; a grace period with Delete only; a eureka cannot crash."""
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


@pytest.mark.parametrize(("monkey", "victim", "expected"), MONKEYS)
def test_a_monkey_needs_a_victim_and_a_mean_above_the_least(
    monkey: Object, victim: str | None, expected: list[str]
) -> None:
    """On without a victim, gaps shorter than the mean allows, and a tier of which it would never end anybody."""
    body = manifest(tier("a", count=3), tier("lone", count=1))
    body["spec"] |= {"chaos": {"monkey": monkey}} | ({"victim": victim} if victim else {})

    assert expected == [f"{f.code} {f.path}" for f in check(body)]


def test_yaml_reads_off_as_false() -> None:
    """The finding says how to write it."""
    body = manifest(tier("a", count=3))
    body["spec"]["chaos"] = {"monkey": {"mode": False}}

    assert ['YAML reads a bare Off as false: write "Off"'] == [f.hint for f in check(body)]


def test_a_version_may_be_the_source() -> None:
    """A tier of which one version is a denominator has a rate, and is where requests begin."""
    source = tier("s", "elb", dependencies=["db"], versions=two(package="denominator"), load={"ratePerSecond": 5})
    body = manifest(tier(), source)
    body["spec"]["services"].pop()

    assert [] == check(body)


@pytest.mark.parametrize("package", Package)
def test_every_package_can_be_run(package: Package) -> None:
    """What the resource knows the operator accepts, and the nanoservice has a role for."""
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
def test_an_endpoint_is_a_host_perhaps_with_port_and_path(endpoint: str) -> None:
    """Names and addresses; what is none says how to write one."""
    assert [] == check(manifest(tier(), telemetry={"otlpEndpoint": endpoint}))

    refused = check(manifest(tier(), telemetry={"otlpEndpoint": endpoint + " "}))

    assert ["write http://HOST:PORT, with a port from 1 to 65535, and a path if there is one"] == [
        f.hint for f in refused
    ]


def test_codes_are_unique() -> None:
    """A code names one rule."""
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
    anything, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5), max_leaves=30
)


@given(anything, almost)
def test_no_document_makes_it_raise(document: Any, spec: Any) -> None:
    """Whatever YAML can say is checked."""
    check(document)
    check({"apiVersion": "spiko.dev/v1alpha1", "kind": "Architecture", "metadata": {"name": "a"}, "spec": spec})
    check({"apiVersion": "spiko.dev/v1alpha1", "kind": "Fault", "metadata": {"name": "a"}, "spec": spec})

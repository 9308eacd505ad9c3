"""Every rule on a single manifest reports its path."""

from __future__ import annotations

import pytest

from spiko_operator.plan.validation.checks import check
from spiko_operator.plan.validation.rule import Severity
from spiko_operator.plan.validation.rules import RULES
from tests.support.manifests import Object, manifest, split, tier, two

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
        "a version without replicas that has a weight",
        manifest(tier(versions=two(replicas=0), routing=split(("1.0.0", 50), ("1.1.0", 50)))),
        "WeightWithoutReplicas",
        f"{S}.versions[1].replicas",
    ),
    (
        "a version that callers of one zone see",
        manifest(
            tier("db", count=3, versions=two(replicas=1), routing=split(("1.0.0", 50), ("1.1.0", 50))),
            tier("k", "karyon", 3, dependencies=["db"]),
        ),
        "SkewedSplit",
        f"{S}.routing.split",
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


ENDPOINTS = (
    "http://otel",
    "http://otel:1",
    "http://a.b-c.svc:65535/x/y",
    "http://127.0.0.1:4318/",
    "http://[::1]:4318",
    "https://otlp.example",
    "https://otlp.example:8443/tenant",
)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_otlp_endpoint_form(endpoint: str) -> None:
    """Given an endpoint, then it must be a URL with a host, an optional port and an optional path; the
    finding has the form.
    """
    assert [] == check(manifest(tier(), telemetry={"otlpEndpoint": endpoint}))

    refused = check(manifest(tier(), telemetry={"otlpEndpoint": endpoint + " "}))

    form = "use http://HOST:PORT or https://HOST:PORT with a port from 1 to 65535, optionally with a path"
    assert [form] == [f.hint for f in refused]


@pytest.mark.parametrize(
    ("endpoint", "text", "hint"),
    [
        ("http://otel:4317", "OTLP/gRPC", "use the HTTP port of the collector, usually 4318"),
        ("http://otel:4318/v1/traces", "must be a base URL", 'use "http://otel:4318"'),
        ("http://otel/tenant/v1/traces/", "must be a base URL", 'use "http://otel/tenant"'),
        ("http://otel/v1/metrics", "/v1/metrics/v1/traces", "use the base URL of the collector"),
        ("https://otel:4317", "OTLP/gRPC", "use the HTTP port of the collector, usually 4318"),
        ("https://otel/v1/traces", "must be a base URL", 'use "https://otel"'),
        ("http://otel/v1/logs/", "/v1/logs/v1/traces", "use the base URL of the collector"),
    ],
)
def test_an_endpoint_that_is_unlikely_to_take_spans_is_a_warning(endpoint: str, text: str, hint: str) -> None:
    """Given the port of gRPC, or a path that is not a base, then there is one warning with a remedy."""
    (finding,) = check(manifest(tier(), telemetry={"otlpEndpoint": endpoint}))

    assert (finding.code, finding.severity, finding.path, finding.hint) == (
        "SPK060",
        Severity.WARNING,
        "spec.telemetry.otlpEndpoint",
        hint,
    )
    assert text in finding.message


@pytest.mark.parametrize(
    "endpoint",
    ["httpss://otel:4318", "HTTPS://otel", "grpc://otel:4317", "otel:4318", "//otel", "https://me:pw@otel"],
)
def test_another_scheme_is_an_error(endpoint: str) -> None:
    """Given an endpoint with another scheme, without one, or with a password, then it is refused."""
    (finding,) = check(manifest(tier(), telemetry={"otlpEndpoint": endpoint}))

    assert finding.severity is Severity.ERROR


def test_codes_are_unique() -> None:
    """Every code belongs to one rule."""
    assert len(RULES) == len({rule.code for rule in RULES.values()})


def test_lint_warns_of_the_default_limits() -> None:
    """Given more pods than an operator allows by default, then there is a warning: the setting is unknown."""
    (finding,) = [f for f in check(manifest(tier(count=2_001))) if f.reason == "TooManyPods"]

    assert (S, "warning", "SPK080") == (finding.path, finding.severity.value, finding.code)
    assert "TooManyPods" not in [f.reason for f in check(manifest(tier(count=1_900)))]

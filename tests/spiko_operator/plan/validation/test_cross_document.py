"""The rules between the documents of one set of files."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_operator.plan.validation.cross_document import check_cross_document

Object = dict[str, Any]


def architecture(namespace: str | None = None) -> Object:
    """Return an Architecture of two tiers, one of them with two versions."""
    versions = [{"version": "1.0.0"}, {"version": "1.1.0"}]
    services = [
        {"name": "rds-mysql", "package": "store"},
        {"name": "Web", "package": "monolith", "versions": versions},
    ]
    return document("Architecture", "lamp", {"services": services}, namespace)


def fault(namespace: str | None = None, **kill: Any) -> Object:
    """Return a Fault with a kill in lamp."""
    return document("Fault", "f", {"architecture": "lamp", "kill": kill}, namespace)


def document(kind: str, name: str, spec: Object, namespace: str | None) -> Object:
    """Return one manifest."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "spiko.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


LONG = "lamp-averyveryverylongtiernamethatgoesonand-0a1b2c3d-5d4f7c9b66-abcde"
ROWS = [
    ("an existing tier", {"tier": "Web"}, None),
    ("eureka", {"tier": "eureka"}, None),
    ("a misspelled tier", {"tier": "rds-mysqll"}, ("SPK072", 'did you mean "rds-mysql"?')),
    ("a tier in the wrong case", {"tier": "web"}, ("SPK072", 'did you mean "Web"?')),
    ("an unknown tier", {"tier": "x"}, ("SPK072", "Use the name of a tier of that Architecture.")),
    ("a pod of a version in a zone", {"pod": "lamp-web-1-1-0-z2-5d4f7c9b66-abcde"}, None),
    ("a pod outside any region", {"pod": "lamp-web-1-1-0-5d4f7c9b66-abcde"}, None),
    ("a eureka pod", {"pod": "lamp-eureka-z1-5d4f7c9b66-abcde"}, None),
    ("a pod with a shortened name", {"pod": LONG}, None),
    (
        "a pod of an undeclared version",
        {"pod": "lamp-web-2-0-0-z2-5d4f7c9b66-abcde"},
        ("SPK073", 'did you mean a pod of "lamp-web-1-0-0-z2"?'),
    ),
    (
        "a pod of another architecture",
        {"pod": "p"},
        ("SPK073", "Copy a name from kubectl get pods, or give tier instead of pod."),
    ),
    ("values of the wrong type", {"tier": 7, "pod": ["x"]}, None),
]


@pytest.mark.parametrize(("kill", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_fault_must_fit_its_architecture(kill: Object, expected: tuple[str, str] | None) -> None:
    """Given a Fault beside its Architecture, then there is one finding at the field, with a code and a
    remedy, or none.
    """
    of_fault, of_architecture = check_cross_document([fault(**kill), architecture()])

    assert [] == of_architecture
    assert ([expected] if expected else []) == [(finding.code, finding.hint) for finding in of_fault]


@pytest.mark.parametrize(
    ("there", "own", "checked"),
    [(None, "team", True), ("team", None, True), ("team", "team", True), ("team", "other", False)],
)
def test_architecture_of_another_namespace_is_ignored(
    there: str | None, own: str | None, checked: bool
) -> None:
    """Given a Fault and an Architecture with different namespaces, then its target is not checked."""
    findings = check_cross_document([architecture(there), fault(own, tier="x")])[1]

    assert [not checked, checked] == [
        reason in {finding.reason for finding in findings}
        for reason in ("AbsentArchitecture", "UnknownTarget")
    ]


def test_absent_architecture_is_a_warning_with_the_nearest_name() -> None:
    """Given a Fault without its Architecture, then a warning says so; a similar name is suggested, and the
    namespace is named where only that differs.
    """
    lost, misspelled = fault(tier="x"), fault(tier="x")
    misspelled["spec"]["architecture"] = "lmap"
    (alone,) = check_cross_document([lost])[0]
    (near,) = check_cross_document([architecture(), misspelled])[1]
    (elsewhere,) = check_cross_document([architecture("team"), fault("other", tier="x")])[1]

    assert ("warning", "spec.architecture") == (alone.severity, alone.path)
    assert 'no Architecture "lamp"; the target was not checked' in alone.message
    assert 'did you mean "lamp"?' == near.hint
    assert 'no Architecture "lamp" in namespace "other"' in elsewhere.message


def test_either_of_two_architectures_may_have_the_tier() -> None:
    """Given two Architectures of the same name, then a tier of either of them is valid."""
    other = document("Architecture", "lamp", {"services": [{"name": "x"}]}, None)

    assert [[], [], []] == check_cross_document([architecture(), other, fault(tier="x")])


@pytest.mark.parametrize(
    "broken", [None, 7, [], {"kind": "Fault"}, document("Fault", "f", {"kill": 3}, None)]
)
def test_invalid_documents_are_skipped(broken: Any) -> None:
    """Given invalid documents, then there are no findings: the rules on single documents report them."""
    assert [[], []] == check_cross_document([architecture(), broken])


def placed(topology: bool) -> Object:
    """Return tiers in two regions, in one, in a region without zones, and outside; regions are from the spec
    or the nodes.
    """
    services = [
        {"name": "both", "package": "store", "count": 3, "regions": 2},
        {"name": "first", "package": "store", "count": 3, "regions": 1},
        {"name": "zoneless", "package": "elb", "count": 0, "regions": 1},
        {"name": "outside", "package": "denominator", "count": 0, "regions": 0},
        {"name": "three", "package": "store", "count": 3, "regions": 3},
    ]
    regions = [{"name": "east", "zones": ["east-a", "east-b"]}, {"name": "west", "zones": ["west-a"]}]
    return document(
        "Architecture",
        "lamp",
        {"services": services} | ({"topology": {"regions": regions}} if topology else {}),
        None,
    )


SCOPES = [
    ("a zone of the second region", {"tier": "both", "zone": "west-a"}, []),
    ("a zone of its region", {"tier": "both", "region": "west", "zone": "west-a", "version": "1.0.0"}, []),
    (
        "a zone of another region than the given one",
        {"tier": "both", "region": "west", "zone": "east-a"},
        ["zone"],
    ),
    ("a region without the tier", {"tier": "first", "region": "west"}, ["region"]),
    ("a zone of a region without the tier", {"tier": "first", "zone": "west-a"}, ["zone"]),
    ("an unknown zone", {"tier": "first", "zone": "east-c"}, ["zone"]),
    ("a tier without zones", {"tier": "zoneless", "zone": "east-a", "region": "east"}, ["zone"]),
    (
        "a tier outside any region",
        {"tier": "outside", "zone": "east-a", "region": "east"},
        ["region", "zone"],
    ),
    (
        "a region that the spec does not list",
        {"tier": "three", "region": "region-3", "zone": "region-3a"},
        [],
    ),
    ("a version that is not declared", {"tier": "first", "version": "1.1.0"}, ["version"]),
]


@pytest.mark.parametrize(("kill", "expected"), [row[1:] for row in SCOPES], ids=[row[0] for row in SCOPES])
def test_version_region_and_zone_must_be_those_of_the_tier(kill: Object, expected: list[str]) -> None:
    """Given a version, region or zone that the tier does not have, then there is a finding, unless the nodes'
    labels decide.
    """
    findings = check_cross_document([placed(topology=True), fault(**kill)])[1]
    unknown = check_cross_document([placed(topology=False), fault(**kill)])[1]

    assert [("SPK074", f"spec.kill.{field}") for field in expected] == [(f.code, f.path) for f in findings]
    assert all(f.hint for f in findings)
    known = [field for field in expected if field == "version" or kill["tier"] in ("zoneless", "outside")]
    assert [f"spec.kill.{field}" for field in known] == [f.path for f in unknown]


@pytest.mark.parametrize(
    ("name", "tiers", "expected"),
    [
        ("lamp-web", ["x", "y"], []),
        ("lamp-rds", ["x", "mysql"], [("spec.services[1].name", "lamp-rds-mysql")]),
        ("lamp-web", ["eureka"], []),
        ("lam", ["p-web"], []),
        ("la", ["mp"], []),
    ],
)
def test_architectures_that_need_the_same_names(
    name: str, tiers: list[str], expected: list[tuple[str, str]]
) -> None:
    """Given two Architectures, then both have a finding for each name that both need."""
    services = [{"name": tier, "package": "store"} for tier in tiers]
    other = document("Architecture", name, {"services": services}, None)
    first, second = check_cross_document([architecture(), other])

    assert expected == [(f.path, f.message.split()[2]) for f in second]
    assert len(first) == len(second)
    assert {"NameTaken"} >= {f.reason for f in first}


def test_a_tier_with_the_name_of_the_eurekas_of_another_architecture() -> None:
    """Given a tier whose Service is that of the eurekas of another Architecture, then it has a finding; the
    same Architectures in different namespaces have none.
    """
    services = [{"name": "cart-eureka", "package": "store"}, {"name": "cart-eureka-z2", "package": "store"}]
    shop = document("Architecture", "shop", {"services": services}, "a")
    cart = document("Architecture", "shop-cart", {"services": [{"name": "db", "package": "store"}]}, None)
    findings = check_cross_document([shop, cart])

    assert [2, 0] == [len(each) for each in findings]
    cart["metadata"]["namespace"] = "b"
    assert [[], []] == check_cross_document([shop, cart])


def test_zone_of_a_version_with_replicas_of_its_own_exists() -> None:
    """Given a tier of count 0, then a Fault's zone does not exist, unless a version has replicas of its own:
    its pods are in zones.
    """
    kill = fault(tier="lb", zone="us-east-1a")
    for versions, expected in (
        ([{"version": "1.0.0"}], ["SPK074"]),
        ([{"version": "1.0.0", "replicas": 3}], []),
    ):
        lb = {"name": "lb", "package": "elb", "count": 0, "regions": 1, "versions": versions}
        found = check_cross_document([document("Architecture", "lamp", {"services": [lb]}, None), kill])
        assert expected == [finding.code for finding in found[1]]

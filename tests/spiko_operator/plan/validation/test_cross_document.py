"""A Fault beside its Architecture: what it names is there."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_operator.plan.validation.cross_document import check_cross_document

Object = dict[str, Any]


def architecture(namespace: str | None = None) -> Object:
    """Two tiers, one of them with two versions."""
    versions = [{"version": "1.0.0"}, {"version": "1.1.0"}]
    services = [{"name": "rds-mysql", "package": "store"}, {"name": "Web", "package": "monolith", "versions": versions}]
    return document("Architecture", "lamp", {"services": services}, namespace)


def fault(namespace: str | None = None, **kill: Any) -> Object:
    """A kill in lamp."""
    return document("Fault", "f", {"architecture": "lamp", "kill": kill}, namespace)


def document(kind: str, name: str, spec: Object, namespace: str | None) -> Object:
    """One manifest."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "spiko.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


LONG = "lamp-averyveryverylongtiernamethatgoesonand-0a1b2c3d-5d4f7c9b66-abcde"
ROWS = [
    ("a tier that is there", {"tier": "Web"}, None),
    ("the registry", {"tier": "eureka"}, None),
    ("a tier that is not", {"tier": "rds-mysqll"}, ("SPK072", 'did you mean "rds-mysql"?')),
    ("a tier in the wrong case", {"tier": "web"}, ("SPK072", 'did you mean "Web"?')),
    ("a tier like none", {"tier": "x"}, ("SPK072", "Name a tier of that Architecture.")),
    ("a pod of a version in a zone", {"pod": "lamp-web-1-1-0-z2-5d4f7c9b66-abcde"}, None),
    ("a pod outside any region", {"pod": "lamp-web-1-1-0-5d4f7c9b66-abcde"}, None),
    ("a pod of the registry", {"pod": "lamp-eureka-z1-5d4f7c9b66-abcde"}, None),
    ("a pod with a shortened name", {"pod": LONG}, None),
    (
        "a pod of an undeclared version",
        {"pod": "lamp-web-2-0-0-z2-5d4f7c9b66-abcde"},
        ("SPK073", 'did you mean a pod of "lamp-web-1-0-0-z2"?'),
    ),
    ("a pod that is not of lamp", {"pod": "p"}, ("SPK073", "Take a name from kubectl get pods, or name a tier.")),
    ("no text", {"tier": 7, "pod": ["x"]}, None),
]


@pytest.mark.parametrize(("kill", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_fault_names_what_its_architecture_has(kill: Object, expected: tuple[str, str] | None) -> None:
    """One finding at the field, with a code and the way out, or none."""
    of_fault, of_architecture = check_cross_document([fault(**kill), architecture()])

    assert [] == of_architecture
    assert ([expected] if expected else []) == [(finding.code, finding.hint) for finding in of_fault]


@pytest.mark.parametrize(
    ("there", "own", "checked"),
    [(None, "team", True), ("team", None, True), ("team", "team", True), ("team", "other", False)],
)
def test_namespaces_are_heeded_where_both_say_one(there: str | None, own: str | None, checked: bool) -> None:
    """An Architecture of another namespace is another Architecture."""
    findings = check_cross_document([architecture(there), fault(own, tier="x")])[1]

    assert checked is bool(findings)


def test_of_two_architectures_with_one_name_either_may_have_the_tier() -> None:
    """Which of two drafts is applied is not known here."""
    other = document("Architecture", "lamp", {"services": [{"name": "x"}]}, None)

    assert [[], [], []] == check_cross_document([architecture(), other, fault(tier="x")])


@pytest.mark.parametrize("broken", [None, 7, [], {"kind": "Fault"}, document("Fault", "f", {"kill": 3}, None)])
def test_what_is_broken_is_passed_over(broken: Any) -> None:
    """Its own findings say what is wrong with it."""
    assert [[], []] == check_cross_document([architecture(), broken])


def placed(topology: bool) -> Object:
    """Tiers in two regions, in one, in a region without zones, and outside; regions are the spec's own, or the nodes'."""
    services = [
        {"name": "both", "package": "store", "count": 3, "regions": 2},
        {"name": "first", "package": "store", "count": 3, "regions": 1},
        {"name": "zoneless", "package": "elb", "count": 0, "regions": 1},
        {"name": "outside", "package": "denominator", "count": 0, "regions": 0},
        {"name": "three", "package": "store", "count": 3, "regions": 3},
    ]
    regions = [{"name": "east", "zones": ["east-a", "east-b"]}, {"name": "west", "zones": ["west-a"]}]
    return document(
        "Architecture", "lamp", {"services": services} | ({"topology": {"regions": regions}} if topology else {}), None
    )


SCOPES = [
    ("a zone of the second region", {"tier": "both", "zone": "west-a"}, []),
    ("a zone of its region", {"tier": "both", "region": "west", "zone": "west-a", "version": "1.0.0"}, []),
    ("a zone of another region than asked", {"tier": "both", "region": "west", "zone": "east-a"}, ["zone"]),
    ("a region that it is not in", {"tier": "first", "region": "west"}, ["region"]),
    ("a zone of a region that it is not in", {"tier": "first", "zone": "west-a"}, ["zone"]),
    ("a zone that is nowhere", {"tier": "first", "zone": "east-c"}, ["zone"]),
    ("a tier without zones", {"tier": "zoneless", "zone": "east-a", "region": "east"}, ["zone"]),
    ("a tier outside any region", {"tier": "outside", "zone": "east-a", "region": "east"}, ["region", "zone"]),
    ("a region that gets a name of its own", {"tier": "three", "region": "region-3", "zone": "region-3a"}, []),
    ("a version that is not declared", {"tier": "first", "version": "1.1.0"}, ["version"]),
]


@pytest.mark.parametrize(("kill", "expected"), [row[1:] for row in SCOPES], ids=[row[0] for row in SCOPES])
def test_version_region_and_zone_are_those_of_the_tier(kill: Object, expected: list[str]) -> None:
    """Where the spec says them: what is left to the nodes' labels is not known offline, but for a tier that has none."""
    findings = check_cross_document([placed(topology=True), fault(**kill)])[1]
    unknown = check_cross_document([placed(topology=False), fault(**kill)])[1]

    assert [("SPK074", f"spec.kill.{field}") for field in expected] == [(f.code, f.path) for f in findings]
    assert all(f.hint for f in findings)
    known = [field for field in expected if field == "version" or kill["tier"] in ("zoneless", "outside")]
    assert [f"spec.kill.{field}" for field in known] == [f.path for f in unknown]

"""Findings about callers that see no instance of a dependency."""

from __future__ import annotations

import pytest

from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.graph import predict
from spiko_operator.plan.topology import choose, wanted_regions
from spiko_operator.plan.validation.checks import check
from tests.support.manifests import Object, manifest, split, tier, two
from tests.support.routed_requests import NOWHERE, RoutedRequests

SIGHT = ("UnreachableDependency", "PartialSight")


def findings(*tiers: Object, **spec: object) -> list[tuple[str, str, str]]:
    """Return reason, path and message of the findings about visibility."""
    found = check(manifest(*tiers, **spec))
    return [(f.reason, f.path, f.message) for f in found if f.reason in SIGHT]


def chain(web: Object, *rest: Object) -> Object:
    """Return the keywords of an Architecture whose source calls the load balancer of `web`."""
    lb = tier("lb", "elb", 0, web["regions"], dependencies=["web"])
    source = tier("www", "denominator", 0, 0, dependencies=["lb"])
    body = manifest(web, lb, *rest)
    body["spec"]["services"][-1] = source
    return body


def test_region_without_a_dependency_is_an_error() -> None:
    """Given web servers in two regions over stores in one, then there is one error for the pair, which names
    the region: no request can be answered there.
    """
    web = tier("web", "monolith", 6, 2, dependencies=["db"])
    body = chain(web, tier("db", count=2, regions=1))
    found = check(body)

    assert 0.4 < RoutedRequests(body).send(1_000)[NOWHERE] / 1_000 < 0.6
    assert [("UnreachableDependency", "spec.services[0].dependencies[0]")] == [
        (f.reason, f.path) for f in found
    ]
    assert '"web" in the second region sees no "db", which runs in the first region' == found[0].message
    assert 'give "db" the regions of "web"' == found[0].hint
    web["regions"] = 1
    assert [] == check(chain(web, tier("db", count=2, regions=1)))


def test_names_of_regions_are_those_of_the_spec() -> None:
    """Given a topology in the spec, then the finding has its names."""
    web = tier("web", "monolith", 6, 2, dependencies=["db"])
    body = chain(web, tier("db", count=2, regions=1))
    regions = [{"name": "east", "zones": ["e1", "e2"]}, {"name": "west", "zones": ["w1"]}]
    body["spec"]["topology"] = {"regions": regions}

    assert '"web" in west sees no "db", which runs in east' == check(body)[0].message


WARNINGS = [
    ("another dependency serves the region", {"dependencies": ["db", "cache"]}, {}),
    ("the caller answers itself", {"package": "store"}, {}),
    ("no request reaches the region", {}, {"regions": 1}),
]


@pytest.mark.parametrize(("web", "lb"), [row[1:] for row in WARNINGS], ids=[row[0] for row in WARNINGS])
def test_blind_region_that_fails_no_request_is_a_warning(web: Object, lb: Object) -> None:
    """Given web servers of which those in one region see no store, and requests that are answered all the
    same, then there is a warning.
    """
    caller = tier("web", "monolith", 6, 2, dependencies=["db"]) | web
    body = chain(caller, tier("db", count=2, regions=1), tier("cache", "cache", 3, 2))
    body["spec"]["services"][1] |= lb

    assert ["PartialSight"] == [f.reason for f in check(body) if f.reason in SIGHT]


CLEAN = [
    ("a dependency outside any region", tier("db", count=0, regions=0)),
    ("a dependency in more regions", tier("db", count=2, regions=3)),
    ("a second version in both regions", tier("db", count=2, regions=2, versions=two())),
]


@pytest.mark.parametrize("db", [row[1] for row in CLEAN], ids=[row[0] for row in CLEAN])
def test_region_with_a_dependency_has_no_finding(db: Object) -> None:
    """Given a dependency that callers of both regions see, then there is no finding about visibility."""
    found = check(chain(tier("web", "monolith", 6, 2, dependencies=["db"]), db))

    assert [] == [f for f in found if f.reason in SIGHT]


def test_instances_are_those_of_versions_with_a_weight() -> None:
    """Given a store in three zones whose only version with a weight has one replica, then a karyon sees it in
    one zone.
    """
    versions = [{"version": "1.0.0"}, {"version": "1.1.0", "replicas": 1}]
    db = tier("db", count=3, versions=versions, routing=split(("1.0.0", 0), ("1.1.0", 1)))
    ((reason, _, message),) = findings(tier("k", "karyon", 3, dependencies=["db"]), db)

    assert reason == "PartialSight"
    assert message.startswith('"k" in the second zone and the third zone sees no "db", which runs in ')


def test_findings_agree_with_the_predicted_graph() -> None:
    """Given tiers of all packages, counts, regions and versions, then a pair has a finding exactly if an
    instance of the caller has no edge to the dependency in the predicted graph.
    """
    checked = 0
    for package in ("monolith", "karyon"):
        for regions in (0, 1, 2):
            for count in (0, 2, 3):
                for theirs in (0, 1, 2):
                    for replicas in (1, 3):
                        versions = [{"version": "1.0.0", "replicas": replicas}]
                        db = tier("db", count=3 * (count > 0), regions=theirs, versions=versions)
                        body = manifest(tier("web", package, count, regions, dependencies=["db"]), db)
                        spec = ArchitectureSpec.model_validate(body["spec"], strict=False)
                        topology = choose(None, {}, wanted_regions(spec.services))
                        graph = predict("lamp", spec, topology)
                        tiers = {node.name: node.tier for node in graph.nodes}
                        called = {a for a, b in graph.edges if (tiers[a], tiers[b]) == ("web", "db")}
                        blind = [name for name in tiers if tiers[name] == "web" and name not in called]
                        found = [f for f in check(body) if f.reason in SIGHT and f.value == '"db"']
                        paths = [f for f in found if f.path.startswith("spec.services[0]")]
                        assert len(paths) == bool(blind), (package, regions, count, theirs, replicas, blind)
                        checked += bool(blind)
    assert checked > 20

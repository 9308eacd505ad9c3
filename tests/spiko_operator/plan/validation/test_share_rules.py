"""Findings about versions whose share of the requests is not their weight."""

from __future__ import annotations

import re

import pytest

from spiko_operator.plan.validation.checks import check
from tests.support.manifests import Object, manifest, split, tier, two
from tests.support.routed_requests import NOWHERE, RoutedRequests


def shop(caller: str, replicas: int | None = 1, weights: tuple[int, int] = (50, 50), **db: object) -> Object:
    """Return callers in three zones of a store of two versions, of which the second one has `replicas`."""
    second = {} if replicas is None else {"replicas": replicas}
    versions = [{"version": "1.0.0"}, {"version": "1.1.0", **second}]
    routing = split(("1.0.0", weights[0]), ("1.1.0", weights[1]))
    body = manifest(
        tier("db", count=3, versions=versions, routing=routing, **db),
        tier("web", caller, 3, dependencies=["db"]),
    )
    body["spec"]["services"][-1]["dependencies"] = ["web"]
    return body


def messages(body: Object, reason: str = "SkewedSplit") -> list[str]:
    """Return the messages of one rule."""
    return [f.message for f in check(body) if f.reason == reason]


SKEWED = [
    ("one of three zones", shop("karyon"), "1.1.0 gets 16.7 % instead of 50 %"),
    ("two of three zones", shop("karyon", 2), "1.1.0 gets 33.3 % instead of 50 %"),
    ("a small weight", shop("karyon", 1, (99, 1)), "1.1.0 gets 0.333 % instead of 1 %"),
    ("callers in zones by count", shop("zuul", 1), "1.0.0 gets 83.3 % instead of 50 %"),
]


@pytest.mark.parametrize(("body", "text"), [row[1:] for row in SKEWED], ids=[row[0] for row in SKEWED])
def test_share_that_callers_in_some_zones_cannot_give_is_a_warning(body: Object, text: str) -> None:
    """Given a version with fewer replicas than zones and callers that see their own zone only, then there is
    a warning with its share and its weight.
    """
    (message,) = messages(body)

    assert text in message


CLEAN = [
    ("callers that see every zone", shop("monolith")),
    ("a replica in every zone", shop("karyon", 3)),
    ("as many replicas as the tier", shop("karyon", None)),
    ("no weight", shop("karyon", 1, (1, 0))),
]


@pytest.mark.parametrize("body", [row[1] for row in CLEAN], ids=[row[0] for row in CLEAN])
def test_share_that_is_the_weight_has_no_finding(body: Object) -> None:
    """Given callers that see each version, or a version without a weight, then there is no finding."""
    assert [] == messages(body)


def test_requests_are_counted_where_they_arrive() -> None:
    """Given callers of which four of five requests arrive in the first zone, then the version that runs there
    alone gets their part: 0.5 * 4 / 5.
    """
    body = shop("karyon")
    body["spec"]["services"].insert(2, tier("near", "karyon", 1, dependencies=["web"]))
    source = body["spec"]["services"][-1]
    source["dependencies"] = ["near", "lb"]
    lb = tier("lb", "elb", 0, dependencies=["web"])
    body["spec"]["services"].insert(3, lb)
    # A dependency is drawn by its instances: one of `near` and one of `lb`. Half of the requests stay in the
    # first zone, and a third of the other half.
    (message,) = messages(body)

    assert "1.1.0 gets 33.3 % instead of 50 %" in message


def test_version_without_replicas_is_reported_once() -> None:
    """Given weight 50 and no replicas, then one warning says that the version gets no request."""
    body = shop("karyon", 0)

    assert [] == messages(body)
    assert ["version 1.1.0 has weight 50 and no replicas, so it gets no request"] == messages(
        body, "WeightWithoutReplicas"
    )
    first = manifest(tier(versions=[{"version": "2.0.0", "replicas": 0}, {"version": "2.1.0"}]))
    assert 1 == len(messages(first, "WeightWithoutReplicas"))


def test_a_cycle_of_callers_has_a_share() -> None:
    """Given callers in a cycle, then the shares are still found."""
    body = shop("karyon")
    body["spec"]["services"][1]["dependencies"] = ["db", "loop"]
    body["spec"]["services"].insert(2, tier("loop", "karyon", 3, dependencies=["web"]))

    assert 1 == len(messages(body))


def test_monkey_is_idle_by_the_instances_of_all_versions() -> None:
    """Given a victim whose versions have one instance together, then there is a warning; with two there is
    none.
    """
    chaos = {"monkey": {"mode": "Enforce"}}
    for versions, expected in ((two(), []), (two(replicas=0), ["IdleMonkey"])):
        body = manifest(tier(count=1, versions=versions), victim="db", chaos=chaos)
        assert expected == [f.reason for f in check(body)]
    one = [{"version": "1.0.0", "replicas": 1}]
    body = manifest(tier(count=6, versions=one), victim="db", chaos=chaos)
    assert ["IdleMonkey"] == [f.reason for f in check(body)]


def test_routers_of_several_versions_may_call_each_other() -> None:
    """Given a router that lists itself with count 1 and two versions, then its two instances may call each
    other in a cycle.
    """
    for versions, expected in ((two(), ["DependencyCycle"]), ([{"version": "1.0.0"}], [])):
        body = manifest(tier("a", "elb", 1, dependencies=["a", "db"], versions=versions), tier())
        assert expected == [f.reason for f in check(body)]


@pytest.mark.parametrize("callers", ["karyon", "zuul", "monolith"])
@pytest.mark.parametrize("regions", [1, 2])
def test_shares_are_those_of_requests_over_the_routing_tables(callers: str, regions: int) -> None:
    """Given requests that follow the routing tables of all pods, then each version gets the share that the
    finding states, or that of its weight if there is none.
    """
    for replicas, count, weights in ((1, 3, (50, 50)), (2, 5, (80, 20)), (1, 2, (10, 90)), (4, 4, (1, 1))):
        body = shop(callers, replicas, weights, regions=regions)
        web = body["spec"]["services"][1]
        web |= {"regions": regions, "count": count}
        body["spec"]["services"][2]["dependencies"] = ["lb"]
        body["spec"]["services"].insert(2, tier("lb", "elb", 0, regions, dependencies=["web"]))
        reached = RoutedRequests(body).send(20_000)
        total = reached["db", "1.0.0"] + reached["db", "1.1.0"]
        shares = {v: 100 * reached["db", v] / total for v in ("1.0.0", "1.1.0")}
        stated = dict(zip(shares, (100 * weight / sum(weights) for weight in weights), strict=True))
        for message in messages(body):
            stated |= {v: float(got) for v, got in re.findall(r"([\d.]+) gets ([\d.]+) %", message)}

        assert stated == pytest.approx(shares, abs=1.5, rel=0.1)
        assert reached[NOWHERE] == 0


@pytest.mark.parametrize(
    "db",
    [
        tier(versions=[]),
        tier(count=10**400),
        tier(versions=two(replicas=10**400), routing=split(("1.0.0", 1), ("1.1.0", 10**400))),
        tier(routing={"split": []}),
        tier(package=None, regions="2", versions=[None, {"version": 1}]),
    ],
    ids=["no version", "a count of 400 digits", "a weight of 400 digits", "an empty split", "wrong types"],
)
def test_values_that_a_schema_rejects_are_left_out(db: Object) -> None:
    """Given values that the schema rejects, then other findings report them, and no share is computed."""
    found = check(manifest(db, victim="db", chaos={"monkey": {"mode": "Enforce"}}))

    assert found
    assert not {"SkewedSplit", "WeightWithoutReplicas"} & {f.reason for f in found}

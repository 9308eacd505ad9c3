"""The spec in effect: accepted, rejected, and kept from the state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spiko_operator.plan.state import from_data, to_data
from tests.support.fake_api_server import STATE_KEY
from tests.support.settled_shop import Object, running, shop, templates


def test_a_monkey_without_a_victim_is_not_accepted() -> None:
    """Given a monkey without a victim, then the last accepted spec stays in effect, and the condition has
    field and remedy.
    """
    cluster = running()
    changed = shop()
    changed["spec"]["chaos"] = {"monkey": {"mode": "DryRun"}}
    cluster.put(changed)
    cluster.settle("shop")
    condition = cluster.condition("shop", "Accepted")

    assert ("False", "MonkeyWithoutVictim") == (condition["status"], condition["reason"])
    assert (
        "spec.chaos.monkey.mode: the monkey is switched on without spec.victim; Set spec.victim to a tier"
        in condition["message"]
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"victim": "x"}, "UnknownVictim"),
        (
            {
                "services": [
                    {"name": "db", "package": "riak", "count": 1, "regions": 1, "dependencies": ["x"]}
                ]
            },
            "UnknownDependency",
        ),
        ({"services": "nonsense"}, "Invalid"),
    ],
)
def test_rejected_spec_keeps_the_last_accepted_one(change: Object, reason: str) -> None:
    """Given a spec that is rejected, then the last accepted one stays in effect, drift is repaired to it, and
    the condition has the reason.
    """
    cluster = running()
    before = cluster.summary()
    bad = shop()
    bad["spec"] |= change
    cluster.put(bad)
    del cluster.objects["Service", "shop-db"]
    cluster.settle("shop")

    after = cluster.summary()
    assert {k: v for k, v in before.items() if k[0] != "Architecture"} == {
        k: v for k, v in after.items() if k[0] != "Architecture"
    }
    assert ("False", reason) == (
        cluster.condition("shop", "Accepted")["status"],
        cluster.condition("shop", "Accepted")["reason"],
    )
    assert cluster.log == ["create Service/shop-db"]


def test_accepted_spec_that_a_release_rejects_changes_nothing() -> None:
    """Given a stricter release than the one that accepted the spec, then the objects stay as they are, and
    the condition has the reason.
    """
    cluster = running()
    body = shop()
    body["spec"]["telemetry"] = {"otlpEndpoint": "http://otel:99999"}
    state = cluster.objects["ConfigMap", "shop-state"]
    state["data"] = to_data(replace(from_data(state["data"], STATE_KEY), accepted=body["spec"]), STATE_KEY)
    before = templates(cluster)
    cluster.put(body)
    cluster.settle("shop")

    assert before == templates(cluster)
    accepted = cluster.condition("shop", "Accepted")
    assert ("False", "Invalid") == (accepted["status"], accepted["reason"])
    assert accepted["message"].startswith("the last accepted spec stays in effect: ")


def test_readded_version_with_another_identity_is_rejected() -> None:
    """Given a version that was removed, which CEL no longer sees, when it is added with another identity,
    then the state rejects it.
    """
    cluster = running(shop(weights=(100, 0)))
    cluster.put(shop())
    cluster.settle("shop")
    other = shop(weights=(100, 0))
    other["spec"]["services"][1]["versions"][1]["behavior"] = {"errorsPerMillion": 1}
    cluster.put(other)
    cluster.settle("shop")

    assert cluster.condition("shop", "Accepted")["reason"] == "VersionConflict"
    assert not [key for key in cluster.objects if "1-1-0" in key[1]]


def test_lost_state_is_rebuilt_from_deployments() -> None:
    """Given a lost state, then the topology is read from a Deployment, the revision is higher than that of
    any eureka, and no pod restarts.
    """
    cluster = running()
    before = templates(cluster)
    cluster.nodes = []
    del cluster.objects["ConfigMap", "shop-state"]
    cluster.settle("shop")

    assert before == templates(cluster)
    assert cluster.last_plan is not None
    assert cluster.last_plan.configuration is not None
    assert cluster.last_plan.configuration.revision.counter > 1_000_000

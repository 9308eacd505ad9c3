"""`spiko graph`: discovered nodes have the names of predicted ones."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_cli.discovery import merge
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.graph import predict
from spiko_operator.plan.topology import choose

ZONES = {"us-east-1": ["us-east-1a", "us-east-1b", "us-east-1c"]}


def entry(slot: int, version: str) -> dict[str, Any]:
    """Return a pod of web as a eureka reports it."""
    place = {"region": "us-east-1", "zone": "us-east-1a", "slot": slot}
    return place | {
        "id": f"{slot}-{version}",
        "tier": "web",
        "package": "store",
        "version": version,
        "name": "web-x",
    }


@pytest.mark.parametrize(
    ("versions", "alive", "name"),
    [
        pytest.param(None, ["1.0.0"], "a.us-east-1.us-east-1a.web00", id="one version"),
        pytest.param(
            [{"version": "1.0.0"}, {"version": "1.1.0", "replicas": 0}], ["1.0.0"],
            "a.us-east-1.us-east-1a.web00@1.0.0", id="a second one without pods",
        ),
        pytest.param(
            [{"version": "1.1.0"}], ["1.1.0"], "a.us-east-1.us-east-1a.web00", id="one that is not the first",
        ),
    ],
)  # fmt: skip
def test_a_version_is_named_when_several_are_declared(versions: Any, alive: list[str], name: str) -> None:
    """Given declared versions, of which some have no pods, then prediction and discovery name nodes alike."""
    web = {"name": "web", "package": "store", "count": 1, "regions": 1} | (
        {"versions": versions} if versions else {}
    )
    spec = ArchitectureSpec.model_validate({"services": [web]}, strict=False)
    predicted = predict("a", spec, choose(None, {}, 1))
    several = frozenset({"web"}) if len(versions or ()) > 1 else frozenset[str]()
    answers = [{"nodes": [entry(0, version) for version in alive], "edges": []}]

    assert [name] == [node.name for node in predicted.nodes]
    assert [name] == [node.name for node in merge("a", answers, ZONES, several).nodes]

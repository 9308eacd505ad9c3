"""Every example runs with the predicted graph."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT
from tests.support.totals import total_calls, total_errors

pytestmark = pytest.mark.e2e

# Its karyon instances of the third zone have no mysql to call: lint finding SPK031.
UNCOVERED = "zone-without-database"
EXAMPLES = {
    "lamp": (23, 73),
    "aws-ac-ra-web": (25, 47),
    "container": (22, 51),
    UNCOVERED: (19, 24),
    "storage": (6, 5),
    "cassandra": (32, 121),
    "riak": (51, 165),
    "yogi": (34, 166),
    "netflixoss": (65, 259),
    "netflix": (98, 371),
    "netflixoss-two-regions": (129, 590),
}
LONG = {"yogi", "netflix", "netflixoss", "netflixoss-two-regions", "container", "storage"}
LONG |= {"aws-ac-ra-web", "riak", UNCOVERED}
PER_SECOND = 20  # rate of each source: a hundred pods on two cores must be slow, and not fail


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        pytest.param(*each, id=each[0], marks=[pytest.mark.long] if each[0] in LONG else [])
        for each in EXAMPLES.items()
    ],
)
def test_examples_have_the_predicted_graph_and_no_errors(
    cluster: Cluster, namespace: str, name: str, counts: tuple[int, int]
) -> None:
    """Given an example, when it is applied, then it is Ready, the discovered graph is the predicted one, node
    by node, and no call fails.
    """
    file = str(ROOT / "examples" / f"{name}.yaml")
    body: dict[str, Any] = yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text())
    sources = [s for s in body["spec"]["services"] if s["package"] == "denominator"]
    for source in sources:
        source["load"] = {"ratePerSecond": PER_SECOND}
    cluster.apply(body, namespace)
    cluster.until_settled(name, namespace, 120)

    predicted = json.loads(cluster.spiko("graph", "-f", file, "--nodes", "kind-config.yaml", "--json").stdout)
    discovered = json.loads(cluster.spiko("graph", name, "-n", namespace, "--json").stdout)
    cluster.until(
        "traffic", lambda: all(total_calls(cluster, namespace, s["name"]) >= 2 * PER_SECOND for s in sources)
    )

    assert counts == (len(predicted["nodes"]), len(predicted["edges"]))
    assert sorted(n["name"] for n in predicted["nodes"]) == sorted(n["name"] for n in discovered["nodes"])
    pairs = [sorted((e["source"], e["target"]) for e in g["edges"]) for g in (predicted, discovered)]
    assert pairs[0] == pairs[1]
    errors = total_errors(cluster, namespace)
    if name == UNCOVERED:
        expected = ("us-east-1c: no_route", "www -> ")
        errors = {
            edge: count
            for edge, count in errors.items()
            if not (edge.endswith(expected[0]) or expected[1] in edge)
        }
    assert [] == list(errors)

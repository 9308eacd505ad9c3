"""Every example comes up as it was predicted, and serves."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT
from tests.support.totals import calls_of, errors_since_the_beginning

pytestmark = pytest.mark.e2e

EXAMPLES = {
    "lamp": (23, 73),
    "aws-ac-ra-web": (25, 47),
    "container": (22, 51),
    "test": (19, 24),
    "storage": (6, 5),
    "cassandra": (32, 121),
    "riak": (51, 165),
    "yogi": (34, 166),
    "netflixoss": (65, 259),
    "netflix": (98, 371),
    "netflixoss-two-regions": (129, 590),
}
LONG = {"yogi", "netflix", "netflixoss-two-regions", "container", "aws-ac-ra-web", "riak", "test"}
BLIND = {"test"}  # its karyons of the third zone see no mysql: lint warns of it, SPK031
PER_SECOND = 20  # of every source: a hundred pods on two cores are to be slow, but not to fail


@pytest.mark.parametrize(
    ("name", "counts"),
    [pytest.param(*each, id=each[0], marks=[pytest.mark.long] if each[0] in LONG else []) for each in EXAMPLES.items()],
)
def test_examples_come_up_as_predicted_and_serve(
    cluster: Cluster, namespace: str, name: str, counts: tuple[int, int]
) -> None:
    """Given nothing, when an example is applied, then all is Ready, the discovered graph is the predicted one, name by name, and no call fails."""
    file = str(ROOT / "examples" / f"{name}.yaml")
    body: dict[str, Any] = yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text())
    sources = [s for s in body["spec"]["services"] if s["package"] == "denominator"]
    for source in sources:
        source["load"] = {"ratePerSecond": PER_SECOND}
    cluster.apply(body, namespace)
    cluster.until_settled(name, namespace, 120)

    predicted = json.loads(cluster.spiko("graph", "-f", file, "--nodes", "kind-config.yaml", "--json").stdout)
    discovered = json.loads(cluster.spiko("graph", name, "-n", namespace, "--json").stdout)
    cluster.until("traffic", lambda: all(calls_of(cluster, namespace, s["name"]) >= 2 * PER_SECOND for s in sources))

    assert counts == (len(predicted["nodes"]), len(predicted["edges"]))
    assert sorted(n["name"] for n in predicted["nodes"]) == sorted(n["name"] for n in discovered["nodes"])
    pairs = [sorted((e["source"], e["target"]) for e in g["edges"]) for g in (predicted, discovered)]
    assert pairs[0] == pairs[1]
    errors = errors_since_the_beginning(cluster, namespace)
    assert [] == [edge for edge in errors if name not in BLIND or (not edge.endswith("us-east-1c: no_route") and "www -> " not in edge)]  # fmt: skip

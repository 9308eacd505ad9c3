"""The predicted graph, compared with Spigo's counts and with the visibility rules of the registry."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
import yaml

from spiko_nanoservice.contract import Hello, Revision
from spiko_nanoservice.eureka.registry.effects import Send
from spiko_nanoservice.eureka.registry.registry import Registry
from spiko_nanoservice.routing.table import Routes
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.configuration import build_configuration
from spiko_operator.plan.graph import Graph, predict
from spiko_operator.plan.topology import ANYWHERE, Topology, choose, wanted_regions
from tests.support.paths import EXAMPLES

GOLDEN = {  # Spigo's own runs; netflixoss in two regions with callers kept in their region
    "lamp": (23, 73),
    "netflixoss": (65, 259),
    "netflixoss-two-regions": (129, 590),
    "cassandra": (32, 121),
    "storage": (6, 5),
    "aws-ac-ra-web": (25, 47),
    "zone-without-database": (19, 24),
    "container": (22, 51),
    "riak": (51, 165),
    "yogi": (34, 166),
    "netflix": (98, 371),
}
PAIRS = {
    "lamp": "webserver->memcache 18, webserver->rds-mysql 36, webserver-elb->webserver 18, "
    "www->webserver-elb 1",
    "netflixoss": "cassSubscriber->cassSubscriber 30, homepage->subscriber 48, login->subscriber 36, "
    "subscriber->cassSubscriber 36, "
    "subscriber->evcacheSubscriber 18, www->www-elb 1, www-elb->wwwproxy 6, wwwproxy->homepage 48, "
    "wwwproxy->login 36",
    "cassandra": "app->restdata 24, cassandra->cassandra 30, proxy->app 24, restdata->cassandra 36, "
    "www->www-elb 1, www-elb->proxy 6",
    "aws-ac-ra-web": "appserver->rdsmysql 12, appserver-elb->appserver 6, cloudfront->content-s3 1, "
    "cloudfront->webserver-elb 1, "
    "rdsmysql->rdsmysql 2, webserver->appserver-elb 12, webserver-elb->webserver 12, www->cloudfront 1",
    "storage": "load->web 1, mysql->disk 1, web->memcache 2, web->mysql 1",
    "netflixoss-two-regions": "cassSubscriber->cassSubscriber 132, homepage->subscriber 96, "
    "login->subscriber 72, "
    "subscriber->cassSubscriber 72, subscriber->evcacheSubscriber 36, www->www-elb 2, www-elb->wwwproxy 12, "
    "wwwproxy->homepage 96, wwwproxy->login 72",
}


def load(name: str) -> tuple[str, ArchitectureSpec, Topology]:
    """Return an example, and its topology without a cluster."""
    document = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    spec = ArchitectureSpec.model_validate_json(json.dumps(document["spec"]))
    return document["metadata"]["name"], spec, choose(None, {}, wanted_regions(spec.services))


@pytest.mark.parametrize(("name", "counts"), GOLDEN.items(), ids=GOLDEN)
def test_node_and_edge_counts_are_those_of_spigo(name: str, counts: tuple[int, int]) -> None:
    """Given an example, then it has the nodes and edges that Spigo discovers."""
    graph = predict(*load(name))

    assert counts == (len(graph.nodes), len(graph.edges))
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)


@pytest.mark.parametrize(("name", "pairs"), PAIRS.items(), ids=PAIRS)
def test_edges_between_tiers_are_those_of_spigo(name: str, pairs: str) -> None:
    """Given an example, then the edges for each pair of tiers are those of Spigo."""
    graph = predict(*load(name))

    assert pairs == ", ".join(f"{a}->{b} {count}" for (a, b), count in graph.by_tier().items())


def discovered(name: str, spec: ArchitectureSpec, topology: Topology, random: Random) -> set[tuple[str, str]]:
    """Return the edges that registries, one for each region, report when the
    instances register in any order.
    """
    graph = predict(name, spec, topology)
    configuration = build_configuration(name, spec, topology, Revision(0, 1), started=False)
    registries = {
        region.name: Registry(f"e-{region.name}", region.name, region.zones[0].name, 0.0)
        for region in topology.regions
    }
    routes = {node.name: Routes(node.name) for node in graph.nodes}
    sessions: dict[tuple[str, int], str] = {}
    number = 0
    for region, registry in registries.items():
        registry.configure(configuration, 0.0)
        for node in random.sample(graph.nodes, len(graph.nodes)):
            tier = next(t for t in configuration.tiers if t.name == node.tier)
            if node.region in (region, ANYWHERE) or "eureka" in tier.dependencies:
                number += 1
                sessions[region, number] = node.name
                hello = Hello(
                    1,
                    node.name,
                    node.name,
                    node.tier,
                    node.package,
                    node.version,
                    node.region,
                    node.zone,
                    "10.0.0.1",
                    1,
                    (1, 1),
                )
                for effect in registry.hello(number, hello, 0.0):
                    _deliver(region, effect, sessions, routes)
    return {(caller, callee) for caller, table in routes.items() for callee in table.instances}


def _deliver(
    region: str, effect: Any, sessions: dict[tuple[str, int], str], routes: dict[str, Routes]
) -> None:
    if isinstance(effect, Send):
        table = routes[sessions[region, effect.session]]
        if effect.message["t"] == "table":
            table.replace(region, effect.message)
        elif effect.message["t"] == "delta":
            assert table.change(region, effect.message)


@pytest.mark.parametrize("name", GOLDEN)
def test_registry_and_prediction_agree(name: str) -> None:
    """Given an example, then the registry and the prediction have the same edges."""
    graph = predict(*load(name))

    assert set(graph.edges) == discovered(*load(name), Random(1))


def random_architecture(random: Random) -> ArchitectureSpec:
    """Return tiers of any package, with any counts, regions and dependencies."""
    packages = ["denominator", "elb", "zuul", "karyon", "monolith", "store", "cache", "priamCassandra"]
    tiers = [f"t{i}" for i in range(random.randint(1, 6))]
    services = []
    for tier in tiers:
        dependencies = random.sample([*tiers, "eureka"], random.randint(0, min(3, len(tiers))))
        versions = [
            {"version": f"1.{n}.0", "package": random.choice(packages)} for n in range(random.randint(1, 3))
        ]
        split = [{"version": v["version"], "weight": 100 if v is versions[0] else 0} for v in versions]
        if len(versions) > 1:
            split[0]["weight"], split[1]["weight"] = 60, 40
        services.append(
            {
                "versions": versions,
                "routing": {"split": split},
                "name": tier,
                "package": random.choice(packages),
                "count": random.randint(0, 5),
                "regions": random.randint(0, 2),
                "dependencies": dependencies,
            }
        )
    return ArchitectureSpec.model_validate_json(
        json.dumps({"services": services, "scale": random.choice([10, 100, 250])})
    )


@pytest.mark.parametrize("seed", range(60))
def test_registry_and_prediction_agree_on_random_architectures(seed: int) -> None:
    """Given random architectures, also with packages of single versions, then the registry and the prediction
    have the same edges.
    """
    random = Random(seed)
    spec = random_architecture(random)
    topology = choose(None, {}, wanted_regions(spec.services))
    graph: Graph = predict("any", spec, topology)

    assert set(graph.edges) == discovered("any", spec, topology, random)

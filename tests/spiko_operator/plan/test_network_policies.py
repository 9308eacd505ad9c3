"""The NetworkPolicies of an Architecture allow what it declares, and the control flows, and nothing else."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import yaml

from spiko_operator.plan.network_policies import CONTROL_FLOWS, PolicySettings
from tests.support.paths import ROOT
from tests.support.policy_rules import Peer, is_allowed
from tests.support.settled_shop import shop
from tests.support.stored_cluster import SETTINGS, StoredCluster

Object = dict[str, Any]
POLICIES = PolicySettings("spiko-system", ("10.9.0.0/16",), "monitoring")
WITH_POLICIES = replace(SETTINGS, policies=POLICIES)
OPERATOR = Peer({"app.kubernetes.io/name": "spiko-operator"}, "spiko-system")
PROMETHEUS = Peer({"app": "prometheus"}, "monitoring")
DNS = Peer({"k8s-app": "kube-dns"}, "kube-system")
API_SERVER, INTERNET = Peer(address="10.9.1.1"), Peer(address="203.0.113.7")
RINGS = {"priamCassandra", "riak"}


def example(name: str) -> Object:
    """Return the Architecture of an example."""
    documents = yaml.safe_load_all((ROOT / "examples" / f"{name}.yaml").read_text())
    return next(body for body in documents if body["kind"] == "Architecture")


def policies_of(cluster: StoredCluster) -> list[Object]:
    """Return the stored policies."""
    return cluster.api.bodies("NetworkPolicy")


def pod(cluster: StoredCluster, tier: str) -> Peer:
    """Return a pod of a tier, with the labels of its pod template."""
    body = next(
        body
        for body in cluster.api.bodies("Deployment")
        if body["metadata"]["labels"]["spiko.dev/tier"] == tier
    )
    return Peer(body["spec"]["template"]["metadata"]["labels"])


async def settled(architecture: Object) -> StoredCluster:
    """Return a cluster at rest, with policies."""
    cluster = StoredCluster(architecture, WITH_POLICIES)
    await cluster.settle()
    return cluster


@pytest.mark.parametrize("name", ["lamp", "netflixoss", "cassandra", "riak", "aws-ac-ra-web"])
async def test_declared_calls_and_no_others_are_allowed(name: str) -> None:
    """Given an example, then exactly the declared calls are allowed, and those among the nodes of a ring."""
    body = example(name)
    cluster = await settled(body)
    services = {service["name"]: service for service in body["spec"]["services"]}
    pods = {tier: pod(cluster, tier) for tier in services}
    found = policies_of(cluster)

    allowed = {
        (source, target)
        for source, target in itertools.product(services, services)
        if is_allowed(found, pods[source], pods[target], 8080)
    }

    declared = {
        (tier, each) for tier, service in services.items() for each in service.get("dependencies", ())
    } - {(tier, "eureka") for tier in services}
    assert allowed == declared | {(t, t) for t, service in services.items() if service["package"] in RINGS}


async def test_control_flows_are_allowed() -> None:
    """Given an Architecture with a collector, then every control flow of the table is allowed."""
    body = shop()
    body["spec"]["telemetry"] = {"otlpEndpoint": "http://10.20.0.1:4400"}
    cluster = await settled(body)
    found, web, eureka = policies_of(cluster), pod(cluster, "web"), pod(cluster, "eureka")

    assert len(CONTROL_FLOWS) == 9
    for source, target, port, protocol in [
        (web, eureka, 7070, "TCP"),
        (eureka, eureka, 7070, "TCP"),
        (OPERATOR, eureka, 7070, "TCP"),
        (API_SERVER, eureka, 7070, "TCP"),
        (PROMETHEUS, eureka, 7070, "TCP"),
        (PROMETHEUS, web, 8080, "TCP"),
        (web, DNS, 53, "UDP"),
        (web, DNS, 53, "TCP"),
        (eureka, DNS, 53, "UDP"),
        (web, Peer(address="10.20.0.1"), 4400, "TCP"),
    ]:
        assert is_allowed(found, source, target, port, protocol), (source, target, port)


async def test_everything_else_is_denied() -> None:
    """Given an Architecture, then its pods cannot reach, or be reached by, anything that no rule names."""
    body = shop()
    body["spec"]["telemetry"] = {"otlpEndpoint": "http://10.20.0.1:4400"}
    cluster = await settled(body)
    found, web, eureka = policies_of(cluster), pod(cluster, "web"), pod(cluster, "eureka")
    stranger, namesake = Peer({"app": "stranger"}), replace(web, namespace="other")

    for source, target, port, protocol in [
        (stranger, web, 8080, "TCP"),
        (stranger, eureka, 7070, "TCP"),
        (namesake, eureka, 7070, "TCP"),
        (namesake, pod(cluster, "db"), 8080, "TCP"),
        (replace(OPERATOR, namespace="default"), eureka, 7070, "TCP"),
        (Peer({"app": "other"}, "spiko-system"), eureka, 7070, "TCP"),
        (OPERATOR, web, 8080, "TCP"),
        (API_SERVER, web, 8080, "TCP"),
        (INTERNET, eureka, 7070, "TCP"),
        (INTERNET, web, 8080, "TCP"),
        (eureka, web, 8080, "TCP"),
        (web, eureka, 8080, "TCP"),
        (web, INTERNET, 443, "TCP"),
        (web, INTERNET, 4400, "TCP"),
        (web, API_SERVER, 6443, "TCP"),
        (eureka, Peer(address="10.20.0.1"), 4400, "TCP"),
    ]:
        assert not is_allowed(found, source, target, port, protocol), (source, target, port)


async def test_collector_with_a_name_is_reached_at_its_port_only() -> None:
    """Given a collector with a host name, which no policy can select, then its port is open everywhere."""
    body = shop()
    body["spec"]["telemetry"] = {"otlpEndpoint": "http://otelcol.tracing:4400"}
    cluster = await settled(body)
    found, web = policies_of(cluster), pod(cluster, "web")

    assert is_allowed(found, web, Peer({"app": "otelcol"}, "tracing"), 4400)
    assert not is_allowed(found, web, Peer({"app": "otelcol"}, "tracing"), 4401)


async def test_changed_dependency_changes_policies_and_no_deployment() -> None:
    """Given a settled Architecture, when a dependency is added, then the two policies that it concerns are
    written, and no Deployment.
    """
    body = shop()
    cluster = await settled(body)
    body["spec"]["services"][2]["dependencies"] = ["web", "db"]
    cluster.put(body)
    writes = await cluster.reconcile()

    assert {"PATCH NetworkPolicy/shop-www", "PATCH NetworkPolicy/shop-db"} == {
        write for write in writes if "ConfigMap" not in write
    }
    assert is_allowed(policies_of(cluster), pod(cluster, "www"), pod(cluster, "db"), 8080)


async def test_removed_tier_removes_its_policy() -> None:
    """Given a settled Architecture, when a tier is removed, then its policy is deleted."""
    body = shop()
    cluster = await settled(body)
    del body["spec"]["services"][0]
    body["spec"]["services"][0]["dependencies"] = []
    cluster.put(body)
    await cluster.settle()

    assert {"shop-eureka", "shop-web", "shop-www"} == {p["metadata"]["name"] for p in policies_of(cluster)}


async def test_edited_policy_is_restored() -> None:
    """Given a settled Architecture, when a user opens a policy, then the next pass restores it."""
    cluster = await settled(shop())
    before = policies_of(cluster)
    cluster.edit("NetworkPolicy", "shop-web", {"spec": {"ingress": [{}], "policyTypes": ["Ingress"]}})
    writes = await cluster.reconcile()

    assert writes == ["PATCH NetworkPolicy/shop-web"]
    assert [body["spec"] for body in before] == [body["spec"] for body in policies_of(cluster)]
    assert [] == await cluster.reconcile()


async def test_without_the_setting_there_are_no_policies() -> None:
    """Given an operator without the setting, then it writes no policy."""
    cluster = StoredCluster(shop())
    await cluster.settle()

    assert policies_of(cluster) == []

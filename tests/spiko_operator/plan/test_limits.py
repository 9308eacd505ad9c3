"""Limits of the operator: what an Architecture may ask for, counted before anything is built."""

from __future__ import annotations

import time
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.limits import Limits, Size, size_of
from spiko_operator.plan.observed import Observed
from spiko_operator.plan.reconcile import plan
from spiko_operator.plan.services import all_releases
from spiko_operator.plan.topology import Topology, choose, wanted_regions
from spiko_operator.plan.validation.limit_rules import limit_rules
from spiko_operator.plan.workloads import Rendering, build_all
from tests.support.fake_api_server import FakeCluster
from tests.support.settled_shop import Object, running, shop

LABELED = {"r": ["ra", "rb"], "s": ["sa", "sb", "sc", "sd"]}


def random_spec(random: Random) -> ArchitectureSpec:
    """Return a spec of up to four tiers with any counts, regions and versions."""
    services: list[Object] = []
    for number in range(random.randint(1, 4)):
        service: Object = {"name": f"t{number}", "package": "store", "count": random.randint(0, 7)}
        service["regions"] = random.randint(0, 3)
        if random.random() < 0.5:
            versions = [{"version": f"1.{i}.0"} for i in range(random.randint(1, 3))]
            for version in versions:
                if random.random() < 0.5:
                    version["replicas"] = random.randint(0, 5)  # type: ignore[assignment]
            service["versions"] = versions
        services.append(service)
    return ArchitectureSpec.model_validate(
        {"scale": random.choice([10, 100, 150]), "services": services}, strict=False
    )


@pytest.mark.parametrize("seed", range(30))
def test_the_size_is_that_of_the_objects_that_are_built(seed: int) -> None:
    """Given any spec, then its size is the number of pods and objects that the operator would create."""
    spec = random_spec(Random(seed))
    topology = choose(None, LABELED, wanted_regions(spec.services))
    built = build_all(
        Rendering("a", "default", {}, topology, {"image": "i"}, "i", ""),
        [service.name for service in spec.services],
        all_releases(spec, topology),
    )
    pods = sum(body["spec"]["replicas"] for body in built if body["kind"] == "Deployment")

    assert Size(pods, len(built) + 1) == size_of(spec, topology)  # and the state


def limited(cluster: FakeCluster, others: Size | None = None, **limits: Any) -> None:
    """Set limits of the operator, and the size of other Architectures."""
    observe = FakeCluster.observe

    def observed(name: str) -> Observed:
        return replace(observe(cluster, name), limits=Limits(**limits), others=others or Size())

    cluster.observe = observed  # type: ignore[method-assign]


def accepted(cluster: FakeCluster) -> tuple[str, str, str]:
    """Return status, reason and message of the condition Accepted."""
    condition = cluster.condition("shop", "Accepted")
    return condition["status"], condition["reason"], condition["message"]


@pytest.mark.parametrize(
    ("services", "scale", "reason", "value"),
    [
        (
            [{"name": "a", "package": "store", "count": 10_000, "regions": 1}],
            10_000,
            "TooManyPods",
            1_000_003,
        ),
        (
            [
                {
                    "name": f"t{i}",
                    "package": "store",
                    "count": 16,
                    "regions": 6,
                    "versions": [{"version": "1.0.0"}],
                }
                for i in range(800)
            ],
            100,
            "TooManyPods",
            76_896,
        ),
    ],
)
def test_a_small_manifest_that_asks_for_the_world_is_rejected_at_once(
    services: list[Object], scale: int, reason: str, value: int
) -> None:
    """Given a manifest that asks for a million pods, or 76,896 Deployments, then it is rejected within a
    fraction of the time that building them would take, and nothing is written but the status.
    """
    cluster = FakeCluster([])
    body = shop(scale=scale)
    topology = [{"name": f"r{r}", "zones": [f"z{r}-{z}" for z in range(16)]} for r in range(6)]
    body["spec"]["services"] = services
    if len(services) > 1:
        body["spec"]["topology"] = {"regions": topology}
    cluster.put(body)
    before = time.process_time()
    cluster.reconcile("shop")

    assert time.process_time() - before < 2.0
    assert [] == cluster.log
    assert ("False", "TooManyPods") == accepted(cluster)[:2]
    text = f"spec.services[0]: the architecture asks for {value} pods, most of them for this tier; the limit "
    assert f"no spec is in effect: {text}is 2000 (SPIKO_MAX_PODS_PER_ARCHITECTURE)" in accepted(cluster)[2]


def test_objects_are_limited_as_well() -> None:
    """Given more objects than allowed, then the spec is rejected with the setting."""
    cluster = FakeCluster()
    limited(cluster, objects=10)
    cluster.put(shop())
    cluster.reconcile("shop")

    assert ("False", "TooManyObjects") == accepted(cluster)[:2]
    assert "asks for 21 objects" in accepted(cluster)[2]


def test_a_lowered_limit_changes_no_running_architecture() -> None:
    """Given a limit below what runs, then the accepted spec stays in effect and is repaired, and the
    condition says that it is not accepted any more.
    """
    cluster = running()
    before = cluster.summary()
    limited(cluster, pods=3)
    del cluster.objects["Service", "shop-db"]
    cluster.settle("shop")

    assert ("False", "TooManyPods") == accepted(cluster)[:2]
    assert accepted(cluster)[2].startswith("the last accepted spec stays in effect")
    assert ["create Service/shop-db"] == cluster.log
    assert before.keys() == cluster.summary().keys()


def test_all_architectures_together_are_limited() -> None:
    """Given other Architectures, then a spec that asks for more than is left is rejected; one that runs stays
    accepted, may shrink, and may not grow.
    """
    cluster = FakeCluster()
    limited(cluster, Size(4_991), all_pods=5_000)
    cluster.put(shop())
    cluster.reconcile("shop")
    assert ("False", "OperatorLimit") == accepted(cluster)[:2]
    assert (
        "asks for 10 pods, and the others have 4991; the limit is 5000 (SPIKO_MAX_PODS)"
        in accepted(cluster)[2]
    )

    limited(cluster, Size(4_990), all_pods=5_000)
    cluster.settle("shop")
    limited(cluster, Size(9_000), all_pods=5_000)
    for scale, reason in ((100, "Valid"), (50, "Valid"), (60, "Valid"), (75, "OperatorLimit"), (50, "Valid")):
        cluster.put(shop(scale=scale))
        cluster.settle("shop")
        assert reason == accepted(cluster)[1], scale


def spec_with(**fields: Any) -> ArchitectureSpec:
    """Return a spec of one tier with more fields."""
    services = [{"name": "a", "package": "store", "count": 1, **fields.pop("service", {})}]
    return ArchitectureSpec.model_validate({"services": services, **fields}, strict=False)


IMAGES = Limits(images=("spiko/*", "registry.example/*:1"))
TAINTS = Limits(tolerations=("dedicated", "team.example/*"))
TIER_IMAGE = ("ImageNotAllowed", "spec.services[0].image")
HOSTS = Limits(collectors=("collector", "*.monitoring.svc", "::1"))


@pytest.mark.parametrize(
    ("limits", "fields", "expected"),
    [
        (IMAGES, {"runtime": {"image": "spiko/x:2"}}, None),
        (IMAGES, {"runtime": {"image": "default:1"}}, None),
        (IMAGES, {"runtime": {"image": "evil/spiko/x:2"}}, ("ImageNotAllowed", "spec.runtime.image")),
        (IMAGES, {"service": {"image": "registry.example/a:1"}}, None),
        (
            IMAGES,
            {"service": {"image": "registry.example/a:12"}},
            ("ImageNotAllowed", "spec.services[0].image"),
        ),
        (
            IMAGES,
            {"service": {"image": "registryXexample/a:1"}},
            ("ImageNotAllowed", "spec.services[0].image"),
        ),
        (
            IMAGES,
            {"service": {"versions": [{"version": "1.0.0"}, {"version": "1.1.0", "image": "evil\nspiko/x"}]}},
            ("ImageNotAllowed", "spec.services[0].versions[1].image"),
        ),
        (TAINTS, {"runtime": {"tolerations": [{"key": "dedicated"}, {"key": "team.example/gpu"}]}}, None),
        (
            TAINTS,
            {"runtime": {"tolerations": [{"key": "dedicated"}, {"operator": "Exists"}]}},
            ("TolerationNotAllowed", "spec.runtime.tolerations[1].key"),
        ),
        (Limits(tolerations=("*",)), {"runtime": {"tolerations": [{"operator": "Exists"}]}}, None),
        (HOSTS, {"telemetry": {"otlpEndpoint": "http://otel.monitoring.svc:4318/x"}}, None),
        (HOSTS, {"telemetry": {"otlpEndpoint": "http://[::1]:4318"}}, None),
        (HOSTS, {"telemetry": {"otlpEndpoint": "http://COLLECTOR"}}, None),
        (HOSTS, {"telemetry": {"otlpEndpoint": "https://otel.monitoring.svc"}}, None),
        (
            HOSTS,
            {"telemetry": {"otlpEndpoint": "https://evil.example"}},
            ("CollectorNotAllowed", "spec.telemetry.otlpEndpoint"),
        ),
        (
            HOSTS,
            {"telemetry": {"otlpEndpoint": "http://evil.example/.monitoring.svc"}},
            ("CollectorNotAllowed", "spec.telemetry.otlpEndpoint"),
        ),
        (Limits(), {"runtime": {"image": "any", "tolerations": [{}]}}, None),
    ],
)
def test_allow_lists(limits: Limits, fields: Object, expected: tuple[str, str] | None) -> None:
    """Given an allow list, then a value that no pattern matches has a finding with the setting."""
    topology: Topology = choose(None, {}, 1)
    findings = limit_rules(spec_with(**fields), topology, limits, "default:1")

    assert ([expected] if expected else []) == [(f.reason, f.path) for f in findings]
    for finding in findings:
        assert "is not allowed; allowed: " in finding.message
        assert "(SPIKO_ALLOWED_" in finding.message


def test_plans_reserve_the_size_of_the_spec_in_effect() -> None:
    """Given an accepted spec, then its size counts for the other Architectures."""
    cluster = running()
    reservation = plan(cluster.observe("shop")).reservation

    assert reservation is not None
    assert Size(10, 21) == reservation.size

"""Pure: the desired objects of an Architecture: Deployments, headless Services, disruption budgets, eurekas.

The pod template of a tier depends on the active runtime and the version's identity only. Configuration,
rates, dependencies and routes reach pods through eurekas, so changing them restarts no pod.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from spiko_nanoservice import contract as c
from spiko_nanoservice.contract.handshake import KEY_FILES, Purpose
from spiko_operator.plan import names
from spiko_operator.plan.objects import Object
from spiko_operator.plan.pod_template import add_otlp_secret, placement, pod_metadata, pod_spec
from spiko_operator.plan.services import Release
from spiko_operator.plan.state import digest
from spiko_operator.plan.topology import ANYWHERE, Region, Space, Topology, Zone

IMAGE_REPOSITORY = "spiko/nanoservice"


@dataclass(frozen=True)
class Rendering:
    """Values that all objects of one Architecture share."""

    architecture: str
    namespace: str
    owner: Object
    topology: Topology
    runtime: Object
    eureka_image: str
    topology_copy: str
    policies: Mapping[str, Object] = field(default_factory=dict)  # specs of NetworkPolicies by tier

    def metadata(self, name: str, labels: dict[str, str]) -> Object:
        """Return the metadata of an object: name, labels, owner."""
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": {names.ARCHITECTURE: self.architecture, **labels},
            "ownerReferences": [self.owner],
        }


def build_deployment(r: Rendering, release: Release, space: Space) -> Object:
    """Return the Deployment of one version in one place."""
    placed = {names.TIER: release.tier, names.VERSION: release.version}
    if space.region != ANYWHERE:
        placed[names.REGION] = space.region
    if space.zone != ANYWHERE:
        placed[names.ZONE] = space.zone
    selector = {names.ARCHITECTURE: r.architecture, **placed}
    labels = {**selector, names.PACKAGE: release.identity.package}
    zone = next((z for z in r.topology.zones if z.index == space.zone_index), None)
    region = r.topology.regions[space.region_index or 0]
    home = zone or region.zones[0]
    env = _environment(r, release.tier, release.identity.package, space.region, space.zone) | {
        c.ENV_VERSION: release.version,
        c.ENV_EUREKA: f"{names.eureka_name(r.architecture, home.index)},{names.eureka_name(r.architecture)}",
        c.ENV_EUREKA_REGION: region.name,
    }
    if release.behavior_json:
        env[c.ENV_BEHAVIOR] = json.dumps(release.behavior_json, sort_keys=True, separators=(",", ":"))
    image = release.identity.image or r.runtime["image"]
    pod = pod_spec(r.runtime, image, names.HTTP_PORT, env, _keys_volume(r, Purpose.JOIN))
    pod |= placement(r.runtime, region if space.region != ANYWHERE else None, zone, selector)
    add_otlp_secret(pod, r.runtime)
    name = names.deployment_name(r.architecture, release.tier, release.version, space.place)
    return _deployment(r, name, labels, selector, space.size, pod)


def build_eureka_deployment(r: Rendering, region: Region, zone: Zone) -> Object:
    """Return the Deployment of one zone's eureka, which never has two pods at a time."""
    placed = {names.TIER: names.EUREKA, names.REGION: region.name, names.ZONE: zone.name}
    selector = {names.ARCHITECTURE: r.architecture, **placed}
    env = _environment(r, names.EUREKA, names.EUREKA, region.name, zone.name)
    env[c.ENV_EUREKA] = names.eureka_name(r.architecture)
    volume = _keys_volume(r, *Purpose)
    pod = pod_spec(r.runtime, r.eureka_image, names.EUREKA_PORT, env, volume)
    pod |= placement(r.runtime, region, zone, selector)
    name = names.eureka_name(r.architecture, zone.index)
    body = _deployment(r, name, {**selector, names.PACKAGE: names.EUREKA}, selector, 1, pod)
    body["spec"]["strategy"] = {"type": "Recreate"}
    return body


def build_service(r: Rendering, tier: str) -> Object:
    """Return the headless Service of a tier."""
    selector = {names.ARCHITECTURE: r.architecture, names.TIER: tier}
    return _service(
        r,
        names.service_name(r.architecture, tier),
        {names.TIER: tier},
        selector,
        names.HTTP_PORT,
        early=False,
    )


def build_eureka_services(r: Rendering) -> list[Object]:
    """Return one Service for all eurekas and one for each zone. They include pods that are not Ready."""
    labels = {names.TIER: names.EUREKA}
    all_eurekas = {names.ARCHITECTURE: r.architecture, names.TIER: names.EUREKA}
    found = [
        _service(r, names.eureka_name(r.architecture), labels, all_eurekas, names.EUREKA_PORT, early=True)
    ]
    for region in r.topology.regions:
        for zone in region.zones:
            selector = all_eurekas | {names.REGION: region.name, names.ZONE: zone.name}
            name = names.eureka_name(r.architecture, zone.index)
            found.append(_service(r, name, labels, selector, names.EUREKA_PORT, early=True))
    return found


def build_budget(r: Rendering, tier: str) -> Object:
    """Return the disruption budget of a tier.

    A pod has only one: the eviction API rejects pods with two budgets.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": r.metadata(names.service_name(r.architecture, tier), {names.TIER: tier}),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {names.ARCHITECTURE: r.architecture, names.TIER: tier}},
        },
    }


def build_network_policy(r: Rendering, tier: str, spec: Object) -> Object:
    """Return the NetworkPolicy of a tier."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": r.metadata(names.service_name(r.architecture, tier), {names.TIER: tier}),
        "spec": spec,
    }


def build_all(
    r: Rendering, tiers: list[str], releases: list[Release], has_budgets: bool = True
) -> list[Object]:
    """Return every object in the order of creation: policies before the pods that they are for, and eurekas
    before the pods that look for them.
    """
    found = [build_network_policy(r, tier, spec) for tier, spec in r.policies.items()]
    found += build_eureka_services(r)
    found += [
        build_eureka_deployment(r, region, zone) for region in r.topology.regions for zone in region.zones
    ]
    found += [build_service(r, tier) for tier in tiers]
    found += [build_deployment(r, release, space) for release in releases for space in release.spaces]
    if has_budgets:
        found += [build_budget(r, tier) for tier in (names.EUREKA, *tiers)]
    for body in found:
        body["metadata"].setdefault("annotations", {})[names.DESIRED_ANNOTATION] = digest(body)
    return found


def _deployment(
    r: Rendering, name: str, labels: dict[str, str], selector: dict[str, str], replicas: int, pod: Object
) -> Object:
    metadata = r.metadata(name, labels)
    metadata["annotations"] = {names.TOPOLOGY_ANNOTATION: r.topology_copy}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": selector},
            "template": {"metadata": pod_metadata(r.runtime, labels), "spec": pod},
        },
    }


def _keys_volume(r: Rendering, *purposes: Purpose) -> Object:
    """Return the volume with the keys for some purposes. Only eurekas get the keys of operator and users."""
    files = sorted({KEY_FILES[purpose] for purpose in purposes})
    secret = names.keys_name(r.architecture)
    items = [{"key": file, "path": file} for file in files]
    return {"name": "keys", "secret": {"secretName": secret, "defaultMode": 0o440, "items": items}}


def _service(
    r: Rendering, name: str, labels: dict[str, str], selector: dict[str, str], port: int, early: bool
) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": r.metadata(name, labels),
        "spec": {
            "clusterIP": "None",
            # The API server does not store false: writing it would show as drift in every pass.
            **({"publishNotReadyAddresses": True} if early else {}),
            "selector": selector,
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        },
    }


def _environment(r: Rendering, tier: str, package: str, region: str, zone: str) -> dict[str, str]:
    return {
        c.ENV_ARCHITECTURE: r.architecture,
        c.ENV_NAMESPACE: r.namespace,
        c.ENV_TIER: tier,
        c.ENV_PACKAGE: package,
        c.ENV_REGION: region,
        c.ENV_ZONE: zone,
    }

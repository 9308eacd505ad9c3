"""Pure: the objects of an Architecture: Deployments, headless Services, disruption budgets, and the registry's own.

A tier's pod template is a function of the runtime in force and the version's identity, and of nothing else: configuration, rates,
dependencies and routes reach pods through eureka, so changing them restarts nobody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from spiko_nanoservice import contract as c
from spiko_operator.plan import names
from spiko_operator.plan.services import Release
from spiko_operator.plan.topology import ANYWHERE, REGION_LABEL, ZONE_LABEL, Region, Space, Topology, Zone

Object = dict[str, Any]
GRACE_S = 15  # leaving takes at most 13, of a ring's node; 9 of any other
LOST_NODE_S = 5  # not Kubernetes' 300: a lost zone is the lesson, not the waiting
READINESS_S = 3  # callers leave a pod that is silent sooner, by its eureka; on a local cluster probes are a good part of what pods cost at rest
IMAGE_REPOSITORY = "spiko/nanoservice"


@dataclass(frozen=True)
class Rendering:
    """What every object of one Architecture shares."""

    architecture: str
    namespace: str
    owner: Object
    topology: Topology
    runtime: Object
    eureka_image: str

    def metadata(self, name: str, labels: dict[str, str]) -> Object:
        """Name, labels, owner."""
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": {names.ARCHITECTURE: self.architecture, **labels},
            "ownerReferences": [self.owner],
        }


def owner_reference(api_version: str, kind: str, name: str, uid: str) -> Object:
    """The owner's reference: the collector takes what it owns."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def build_deployment(r: Rendering, release: Release, space: Space) -> Object:
    """One version in one place."""
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
    pod = _pod(r, env, image, names.HTTP_PORT, readiness_s=READINESS_S)
    pod |= _placement(space.region != ANYWHERE, region, zone, selector)
    name = names.deployment_name(r.architecture, release.tier, release.version, space.place)
    return _deployment(r, name, labels, selector, space.size, pod)


def build_eureka_deployment(r: Rendering, region: Region, zone: Zone) -> Object:
    """The registry of one zone: one pod, never two."""
    placed = {names.TIER: names.EUREKA, names.REGION: region.name, names.ZONE: zone.name}
    selector = {names.ARCHITECTURE: r.architecture, **placed}
    env = _environment(r, names.EUREKA, names.EUREKA, region.name, zone.name)
    env[c.ENV_EUREKA] = names.eureka_name(r.architecture)
    pod = _pod(r, env, r.eureka_image, names.EUREKA_PORT, readiness_s=READINESS_S)
    pod |= _placement(True, region, zone, selector)
    name = names.eureka_name(r.architecture, zone.index)
    body = _deployment(r, name, {**selector, names.PACKAGE: names.EUREKA}, selector, 1, pod)
    body["spec"]["strategy"] = {"type": "Recreate", "rollingUpdate": None}
    return body


def build_service(r: Rendering, tier: str) -> Object:
    """A tier's headless Service."""
    selector = {names.ARCHITECTURE: r.architecture, names.TIER: tier}
    return _service(
        r, names.service_name(r.architecture, tier), {names.TIER: tier}, selector, names.HTTP_PORT, early=False
    )


def build_eureka_services(r: Rendering) -> list[Object]:
    """One Service for all eurekas and one for each zone's; they answer for pods that are not Ready yet."""
    labels = {names.TIER: names.EUREKA}
    everyone = {names.ARCHITECTURE: r.architecture, names.TIER: names.EUREKA}
    found = [_service(r, names.eureka_name(r.architecture), labels, everyone, names.EUREKA_PORT, early=True)]
    for region in r.topology.regions:
        for zone in region.zones:
            selector = everyone | {names.REGION: region.name, names.ZONE: zone.name}
            name = names.eureka_name(r.architecture, zone.index)
            found.append(_service(r, name, labels, selector, names.EUREKA_PORT, early=True))
    return found


def build_budget(r: Rendering, tier: str) -> Object:
    """The one disruption budget of a tier; two on a pod would make its eviction fail."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": r.metadata(names.service_name(r.architecture, tier), {names.TIER: tier}),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {names.ARCHITECTURE: r.architecture, names.TIER: tier}},
        },
    }


def build_all(r: Rendering, tiers: list[str], releases: list[Release]) -> list[Object]:
    """Every object, in the order of creation: the registry first, so that pods find it."""
    found = build_eureka_services(r)
    found += [build_eureka_deployment(r, region, zone) for region in r.topology.regions for zone in region.zones]
    found += [build_service(r, tier) for tier in tiers]
    found += [build_deployment(r, release, space) for release in releases for space in release.spaces]
    found += [build_budget(r, tier) for tier in (names.EUREKA, *tiers)]
    return found


def _deployment(
    r: Rendering, name: str, labels: dict[str, str], selector: dict[str, str], replicas: int, pod: Object
) -> Object:
    metadata = r.metadata(name, labels)
    metadata["annotations"] = {
        names.TOPOLOGY_ANNOTATION: json.dumps(r.topology.to_json(), sort_keys=True, separators=(",", ":"))
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _service(
    r: Rendering, name: str, labels: dict[str, str], selector: dict[str, str], port: int, early: bool
) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": r.metadata(name, labels),
        "spec": {
            "clusterIP": "None",
            **({"publishNotReadyAddresses": True} if early else {}),  # false is not stored: it would differ for ever
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


_FIELDS = {
    c.ENV_POD_NAME: "metadata.name",
    c.ENV_POD_UID: "metadata.uid",
    c.ENV_POD_IP: "status.podIP",
    c.ENV_NODE_NAME: "spec.nodeName",
}


def _pod(r: Rendering, env: dict[str, str], image: str, port: int, readiness_s: int) -> Object:
    fields = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in _FIELDS.items()]
    container: Object = {
        "name": "nanoservice",
        "image": image,
        "env": [{"name": name, "value": value} for name, value in env.items()] + fields,
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": port},
            "periodSeconds": readiness_s,
            "timeoutSeconds": 2,
        },
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 10, "timeoutSeconds": 5},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    if resources := r.runtime.get("resources"):
        container["resources"] = resources
    lost = [
        {
            "key": f"node.kubernetes.io/{key}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": LOST_NODE_S,
        }
        for key in ("not-ready", "unreachable")
    ]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "tolerations": lost + list(r.runtime.get("tolerations") or ()),
        "containers": [container],
    }


def _placement(placed: bool, region: Region, zone: Zone | None, selector: dict[str, str]) -> Object:
    """Labelled zones bind; logical ones only spread, softly, over the nodes that there are."""
    if not placed:
        return {}
    if zone is not None and not zone.logical:
        return {"nodeSelector": {REGION_LABEL: region.name, ZONE_LABEL: zone.name}}
    if zone is None and not all(z.logical for z in region.zones):
        return {"nodeSelector": {REGION_LABEL: region.name}}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector},
    }
    return {"topologySpreadConstraints": [spread]}

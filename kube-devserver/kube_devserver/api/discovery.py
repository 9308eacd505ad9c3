"""Discovery: the groups, versions and resources that are served."""

from __future__ import annotations

import base64
import hashlib
import re

from kube_devserver.objects.kinds import DEFINITIONS, Body
from kube_devserver.objects.resource_registry import Registry, Resource

GROUP_ORDER = (
    "apps",
    "events.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "apiextensions.k8s.io",
    "coordination.k8s.io",
)


def aggregated(registry: Registry, legacy: bool, version: str) -> Body:
    """Aggregated discovery (`APIGroupDiscoveryList`).

    Args:
        registry: the resources.
        legacy: whether of the core group; else of all others.
        version: `v2` or `v2beta1`.
    """
    items = []
    for group in _groups(registry, legacy):
        versions = [
            {"version": v, "resources": [_aggregate(r) for r in resources], "freshness": "Current"}
            for v, resources in _versions(registry, group)
        ]
        items.append({"metadata": {"name": group} if group else {}, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregate(r: Resource) -> Body:
    # The kind of a built-in resource has no group: it is that of the list.
    group, version = (r.group, r.version) if r.custom is not None else ("", "")
    kind = {"group": group, "version": version, "kind": r.kind}
    found: Body = {
        "resource": r.plural, "responseKind": kind, "scope": "Namespaced" if r.namespaced else "Cluster",
        "singularResource": r.singular, "verbs": list(r.verbs),
    }  # fmt: skip
    if r.short_names:
        found["shortNames"] = list(r.short_names)
    if r.categories:
        found["categories"] = list(r.categories)
    if r.subresources:
        found["subresources"] = [
            {
                "subresource": name,
                "responseKind": s.get("responseKind")
                or {
                    "group": s.get("group", r.group),
                    "version": s.get("version", r.version),
                    "kind": s["kind"],
                },
                "verbs": s["verbs"],
            }
            for name, s in r.subresources.items()
        ]
    return found


def _groups(registry: Registry, legacy: bool) -> list[str]:
    if legacy:
        return [""]
    found = {r.group for r in registry} - {""}
    return sorted(found, key=lambda g: (GROUP_ORDER.index(g) if g in GROUP_ORDER else len(GROUP_ORDER), g))


def _versions(registry: Registry, group: str) -> list[tuple[str, list[Resource]]]:
    found: dict[str, list[Resource]] = {}
    for r in registry:
        if r.group == group:
            found.setdefault(r.version, []).append(r)
    ordered = sorted(found, key=priority, reverse=True)
    return [(v, sorted(found[v], key=lambda r: r.plural)) for v in ordered]


def priority(version: str) -> tuple[int, int, int]:
    """Kubernetes' order of versions: v2 before v1 before v1beta1 before v1alpha1.

    >>> sorted(["v1alpha1", "v2", "v1beta2", "v1"], key=priority, reverse=True)
    ['v2', 'v1', 'v1beta2', 'v1alpha1']
    """
    match = re.match(r"^v(\d+)(?:(alpha|beta)(\d+))?\Z", version)
    if match is None:
        return (-1, 0, 0)
    return ({None: 3, "beta": 2, "alpha": 1}[match[2]], int(match[1]), int(match[3] or 0))


def group_list(registry: Registry) -> Body:
    """`APIGroupList`."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(registry, name) for name in _groups(registry, False)],
    }


def group(registry: Registry, name: str) -> Body | None:
    """`APIGroup`; None if the group is not served."""
    if name not in _groups(registry, False):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(registry, name)


def _group(registry: Registry, name: str) -> Body:
    versions = [{"groupVersion": f"{name}/{v}", "version": v} for v, _ in _versions(registry, name)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(registry: Registry, group_name: str, version: str) -> Body | None:
    """`APIResourceList`; None if the version is not served."""
    resources = dict(_versions(registry, group_name)).get(version)
    if resources is None:
        return None
    found = []
    for r in resources:
        entry: Body = {
            "name": r.plural, "singularName": r.singular, "namespaced": r.namespaced, "kind": r.kind,
            "verbs": list(r.verbs),
        }  # fmt: skip
        if r.short_names:
            entry["shortNames"] = list(r.short_names)
        if r.categories:
            entry["categories"] = list(r.categories)
        if "list" in r.verbs:
            entry["storageVersionHash"] = storage_hash(r.group, _stored_version(registry, r), r.kind)
        found.append(entry)
        for name, s in r.subresources.items():
            kind = s.get("responseKind") or {
                "group": s.get("group", ""),
                "version": s.get("version", ""),
                "kind": s["kind"],
            }
            entry = {
                "name": f"{r.plural}/{name}",
                "singularName": "",
                "namespaced": r.namespaced,
                "kind": kind["kind"],
                "verbs": s["verbs"],
            }
            if kind.get("group") and kind["group"] != r.group:
                entry |= {"group": kind["group"], "version": kind["version"]}
            found.append(entry)
    api_version = f"{group_name}/{version}" if group_name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": found}


def _stored_version(registry: Registry, r: Resource) -> str:
    """The version of the hash: Kubernetes still stores definitions in an old one."""
    return "v1beta1" if r.key == DEFINITIONS else (registry.stored(r.key) or r).version


def storage_hash(group: str, version: str, kind: str) -> str:
    """A hash that changes when objects are stored in another version."""
    return base64.b64encode(hashlib.sha256(f"{group}/{version}/{kind}".encode()).digest()[:8]).decode()

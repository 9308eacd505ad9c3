"""Discovery and OpenAPI: what clients ask first."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import orjson

from kube_devserver.objects.resource_registry import DEFINITIONS, Catalog, Resource
from kube_devserver.objects.schema import REF, read_data

GROUP_ORDER = ("apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "policy", "rbac.authorization.k8s.io",
               "apiextensions.k8s.io", "coordination.k8s.io")  # fmt: skip
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"


def aggregated(catalog: Catalog, legacy: bool, version: str) -> dict[str, Any]:
    """Aggregated discovery (`APIGroupDiscoveryList`).

    Args:
        catalog: what is served.
        legacy: the core group, else all others.
        version: `v2` or `v2beta1`.
    """
    items = []
    for group in _groups(catalog, legacy):
        versions = [
            {"version": v, "resources": [_aggregate(r) for r in resources], "freshness": "Current"}
            for v, resources in _versions(catalog, group)
        ]
        items.append({"metadata": {"name": group} if group else {}, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregate(r: Resource) -> dict[str, Any]:
    # a kind of the list's own group names none
    group, version = (r.group, r.version) if r.custom is not None else ("", "")
    kind = {"group": group, "version": version, "kind": r.kind}
    found: dict[str, Any] = {
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
                or {"group": s.get("group", r.group), "version": s.get("version", r.version), "kind": s["kind"]},
                "verbs": s["verbs"],
            }
            for name, s in r.subresources.items()
        ]
    return found


def _groups(catalog: Catalog, legacy: bool) -> list[str]:
    if legacy:
        return [""]
    found = {r.group for r in catalog} - {""}
    return sorted(
        found, key=lambda group: (GROUP_ORDER.index(group) if group in GROUP_ORDER else len(GROUP_ORDER), group)
    )


def _versions(catalog: Catalog, group: str) -> list[tuple[str, list[Resource]]]:
    found: dict[str, list[Resource]] = {}
    for r in catalog:
        if r.group == group:
            found.setdefault(r.version, []).append(r)
    ordered = sorted(found, key=priority, reverse=True)
    return [(v, sorted(found[v], key=lambda r: r.plural)) for v in ordered]


def priority(version: str) -> tuple[int, int, int]:
    """Kubernetes' order of versions: v2 before v1 before v1beta1 before v1alpha1.

    >>> sorted(["v1alpha1", "v2", "v1beta2", "v1"], key=priority, reverse=True)
    ['v2', 'v1', 'v1beta2', 'v1alpha1']
    """
    import re

    match = re.match(r"^v(\d+)(?:(alpha|beta)(\d+))?\Z", version)
    if match is None:
        return (-1, 0, 0)
    return ({None: 3, "beta": 2, "alpha": 1}[match[2]], int(match[1]), int(match[3] or 0))


def group_list(catalog: Catalog) -> dict[str, Any]:
    """`APIGroupList`."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(catalog, name) for name in _groups(catalog, False)],
    }


def group(catalog: Catalog, name: str) -> dict[str, Any] | None:
    """`APIGroup`; None if there is none of this name."""
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(catalog, name) if name in _groups(catalog, False) else None


def _group(catalog: Catalog, name: str) -> dict[str, Any]:
    versions = [{"groupVersion": f"{name}/{v}", "version": v} for v, _ in _versions(catalog, name)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(catalog: Catalog, group_name: str, version: str) -> dict[str, Any] | None:
    """`APIResourceList`; None if nothing is served there."""
    resources = dict(_versions(catalog, group_name)).get(version)
    if resources is None:
        return None
    found = []
    for r in resources:
        entry: dict[str, Any] = {
            "name": r.plural, "singularName": r.singular, "namespaced": r.namespaced, "kind": r.kind, "verbs": list(r.verbs),
        }  # fmt: skip
        if r.short_names:
            entry["shortNames"] = list(r.short_names)
        if r.categories:
            entry["categories"] = list(r.categories)
        if "list" in r.verbs:
            entry["storageVersionHash"] = storage_hash(r.group, _stored_version(catalog, r), r.kind)
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


def _stored_version(catalog: Catalog, r: Resource) -> str:
    """Kubernetes keeps definitions in an old version still."""
    return "v1beta1" if r.key == DEFINITIONS else (catalog.stored(r.key) or r).version


def storage_hash(group: str, version: str, kind: str) -> str:
    """What changes when objects are stored in another version."""
    return base64.b64encode(hashlib.sha256(f"{group}/{version}/{kind}".encode()).digest()[:8]).decode()


# ------------------------------------------------------------------ OpenAPI


class OpenApi:
    """The v3 documents, one for each group and version, and the v2 document."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._made = -1
        self._documents: dict[str, bytes] = {}

    def _documents_now(self) -> dict[str, bytes]:
        if self._made != self._catalog.changes:
            built_in = read_data("openapi")
            if not self._documents:
                self._documents = {path: orjson.dumps(document) for path, document in built_in.items()}
            customs: dict[str, list[Resource]] = {}
            for r in self._catalog:
                if r.custom is not None:
                    customs.setdefault(r.path, []).append(r)
            self._documents = {path: self._documents[path] for path in built_in} | {
                path: orjson.dumps(_custom_document(resources)) for path, resources in customs.items()
            }
            self._made = self._catalog.changes
        return self._documents

    def index(self) -> dict[str, Any]:
        """`/openapi/v3`."""
        return {
            "paths": {
                path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={hashlib.sha256(text).hexdigest().upper()}"}
                for path, text in self._documents_now().items()
            }
        }

    def v3(self, path: str) -> bytes | None:
        """One document."""
        return self._documents_now().get(path)

    def v2(self) -> dict[str, Any]:
        """The old document."""
        document = dict(read_data("swagger"))
        definitions = dict(document["definitions"])
        for r in self._catalog:
            if r.custom is not None:
                schema = r.custom.get("schema", {}).get("openAPIV3Schema") or {"type": "object"}
                definitions[_name(r)] = _with_metadata(r, schema, f"#/definitions/{_META}.ObjectMeta")
        return document | {"definitions": definitions}


def _name(r: Resource) -> str:
    return f"{'.'.join(reversed(r.group.split('.')))}.{r.version}.{r.kind}"


def _with_metadata(r: Resource, schema: dict[str, Any], metadata: str) -> dict[str, Any]:
    texts = read_data("openapi")["api/v1"]["components"]["schemas"]["io.k8s.api.core.v1.Pod"]["properties"]
    properties = dict(schema.get("properties", {})) | {
        "apiVersion": texts["apiVersion"], "kind": texts["kind"],
        "metadata": {"description": texts["metadata"]["description"], "allOf": [{"$ref": metadata}]}
        if metadata.startswith("#/components") else {"$ref": metadata},
    }  # fmt: skip
    kind = {"group": r.group, "version": r.version, "kind": r.kind}
    return schema | {"type": "object", "properties": properties, "x-kubernetes-group-version-kind": [kind]}


def _custom_document(resources: list[Resource]) -> dict[str, Any]:
    built_in = read_data("openapi")["apis/policy/v1"]
    wanted = {f"{_META}.{name}" for name in ("DeleteOptions", "Preconditions", "FieldsV1", "ListMeta", "ManagedFieldsEntry", "ObjectMeta",
                                              "OwnerReference", "Patch", "Status", "StatusCause", "StatusDetails", "Time")}  # fmt: skip
    schemas = {name: each for name, each in built_in["components"]["schemas"].items() if name in wanted}
    paths: dict[str, Any] = {}
    for r in resources:
        schema = r.custom.get("schema", {}).get("openAPIV3Schema") or {"type": "object"} if r.custom is not None else {}
        schemas[_name(r)] = _with_metadata(r, schema, f"{REF}{_META}.ObjectMeta")
        kind = {"group": r.group, "version": r.version, "kind": r.kind}
        schemas[f"{_name(r)}List"] = {
            "type": "object", "description": f"{r.kind}List is a list of {r.kind}", "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"}, "kind": {"type": "string"},
                "items": {"type": "array", "items": {"$ref": f"{REF}{_name(r)}"}},
                "metadata": {"allOf": [{"$ref": f"{REF}{_META}.ListMeta"}]},
            },
            "x-kubernetes-group-version-kind": [kind | {"kind": f"{r.kind}List"}],
        }  # fmt: skip
        paths |= _custom_paths(r, kind, built_in["paths"])
    info = {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _custom_paths(r: Resource, kind: dict[str, str], templates: dict[str, Any]) -> dict[str, Any]:
    """The paths of a custom kind, after those of a built-in one."""
    text = orjson.dumps({
        path: item for path, item in templates.items()
        if "poddisruptionbudgets" in path and (not path.endswith("/status") or "status" in r.subresources)
    }).decode()  # fmt: skip
    for old, new in (
        ('{"group":"policy","kind":"PodDisruptionBudget","version":"v1"}', orjson.dumps(dict(sorted(kind.items()))).decode()),
        ("io.k8s.api.policy.v1.PodDisruptionBudget", _name(r)), ("/apis/policy/v1/", f"/{r.path}/"),
        ("poddisruptionbudgets", r.plural), ("PodDisruptionBudget", r.kind), ("policy_v1", f"{r.group}_{r.version}"),
        ("PolicyV1", "".join(part.capitalize() for part in r.group.split(".")) + r.version.capitalize()),
    ):  # fmt: skip
        text = text.replace(old, new)
    found: dict[str, Any] = orjson.loads(text)
    for item in found.values():  # clients learn from this that a strategic merge patch is not to be had
        item.get("patch", {}).get("requestBody", {}).get("content", {}).pop(
            "application/strategic-merge-patch+json", None
        )
    if not r.namespaced:
        found = {
            path.replace("/namespaces/{namespace}", ""): item for path, item in found.items() if "{namespace}" in path
        }
    return found

"""OpenAPI v3: the schemas of what is served, by which `kubectl explain` and client-side validation work."""

from __future__ import annotations

from hashlib import sha256

import orjson

from kube_devserver.objects.exact_json import exact_json
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.resource_registry import Registry, Resource
from kube_devserver.objects.schema import REF, read_data

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"


class OpenApi:
    """The OpenAPI v3 documents, one for each group and version."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made = -1
        self._documents: dict[str, bytes] = {}

    def _documents_now(self) -> dict[str, bytes]:
        if self._made != self._registry.changes:
            built_in = read_data("openapi")
            if not self._documents:
                self._documents = {path: exact_json(document) for path, document in built_in.items()}
            custom: dict[str, list[Resource]] = {}
            for r in self._registry:
                if r.custom is not None:
                    custom.setdefault(r.path, []).append(r)
            self._documents = {path: self._documents[path] for path in built_in} | {
                path: exact_json(_custom_document(resources)) for path, resources in custom.items()
            }
            self._made = self._registry.changes
        return self._documents

    def index(self) -> Body:
        """`/openapi/v3`."""
        return {
            "paths": {
                path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={sha256(text).hexdigest().upper()}"}
                for path, text in self._documents_now().items()
            }
        }

    def document(self, path: str) -> bytes | None:
        """One document as JSON; None if nothing is served there."""
        return self._documents_now().get(path)


def _name(r: Resource) -> str:
    return f"{'.'.join(reversed(r.group.split('.')))}.{r.version}.{r.kind}"


def _with_metadata(r: Resource, schema: Body) -> Body:
    texts = read_data("openapi")["api/v1"]["components"]["schemas"]["io.k8s.api.core.v1.Pod"]["properties"]
    meta = f"{REF}{_META}.ObjectMeta"
    properties = dict(schema.get("properties", {})) | {
        "apiVersion": texts["apiVersion"], "kind": texts["kind"],
        "metadata": {"allOf": [{"$ref": meta}], "description": texts["metadata"]["description"]},
    }  # fmt: skip
    kind = {"group": r.group, "version": r.version, "kind": r.kind}
    return schema | {"type": "object", "properties": properties, "x-kubernetes-group-version-kind": [kind]}


_SHARED = (
    "DeleteOptions", "Preconditions", "FieldsV1", "ListMeta", "ManagedFieldsEntry", "ObjectMeta",
    "OwnerReference", "Patch", "Status", "StatusCause", "StatusDetails", "Time",
)  # fmt: skip


def _custom_document(resources: list[Resource]) -> Body:
    built_in = read_data("openapi")["apis/policy/v1"]
    wanted = {f"{_META}.{name}" for name in _SHARED}
    schemas = {name: each for name, each in built_in["components"]["schemas"].items() if name in wanted}
    paths: Body = {}
    for r in resources:
        schema = r.custom.get("schema", {}).get("openAPIV3Schema") or {"type": "object"} if r.custom else {}
        schemas[_name(r)] = _with_metadata(r, schema)
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


def _custom_paths(r: Resource, kind: dict[str, str], templates: Body) -> Body:
    """The paths of a custom kind, made from those of a built-in one."""
    text = orjson.dumps({
        path: item for path, item in templates.items()
        if "poddisruptionbudgets" in path and (not path.endswith("/status") or "status" in r.subresources)
    }).decode()  # fmt: skip
    own = orjson.dumps(dict(sorted(kind.items()))).decode()
    for old, new in (
        ('{"group":"policy","kind":"PodDisruptionBudget","version":"v1"}', own),
        ("io.k8s.api.policy.v1.PodDisruptionBudget", _name(r)), ("/apis/policy/v1/", f"/{r.path}/"),
        ("poddisruptionbudgets", r.plural), ("PodDisruptionBudget", r.kind),
        ("policy_v1", f"{r.group}_{r.version}"),
        ("PolicyV1", "".join(part.capitalize() for part in r.group.split(".")) + r.version.capitalize()),
    ):  # fmt: skip
        text = text.replace(old, new)
    found: Body = orjson.loads(text)
    for item in found.values():  # clients learn from this that strategic merge patches are not supported
        item.get("patch", {}).get("requestBody", {}).get("content", {}).pop(
            "application/strategic-merge-patch+json", None
        )
    if not r.namespaced:
        found = {
            p.replace("/namespaces/{namespace}", ""): item for p, item in found.items() if "{namespace}" in p
        }
    return found

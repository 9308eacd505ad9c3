"""Requests to an API server and their objects, of which scenarios consist; `{ns}` is a namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MERGE, JSON, STRATEGIC, APPLY = (
    "application/merge-patch+json", "application/json-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)  # fmt: skip
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
CM, DEPLOY, SVC = (
    "/api/v1/namespaces/{ns}/configmaps",
    "/apis/apps/v1/namespaces/{ns}/deployments",
    "/api/v1/namespaces/{ns}/services",
)
POD, PDB = "/api/v1/namespaces/{ns}/pods", "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NS, ACCOUNT = "/api/v1/namespaces/{ns}", "/api/v1/namespaces/{ns}/serviceaccounts"
THING = "/apis/diff.example.dev/v1/namespaces/{ns}/things"


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    body: Any = None
    content: str = "application/json"
    accept: str = "application/json"


def get(path: str, accept: str = "application/json") -> Call:
    """GET."""
    return Call("GET", path, accept=accept)


def post(path: str, body: Any) -> Call:
    """POST."""
    return Call("POST", path, body)


def put(path: str, body: Any) -> Call:
    """PUT."""
    return Call("PUT", path, body)


def delete(path: str, body: Any = None) -> Call:
    """DELETE."""
    return Call("DELETE", path, body)


def patch(path: str, body: Any, content: str = MERGE) -> Call:
    """PATCH."""
    return Call("PATCH", path, body, content)


def apply(path: str, body: Any, manager: str = "one", **query: str) -> Call:
    """Server-side apply."""
    more = "".join(f"&{key}={value}" for key, value in query.items())
    return Call("PATCH", f"{path}?fieldManager={manager}{more}", body, APPLY)


def config_map(name: str = "a", **data: Any) -> dict[str, Any]:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "a", **spec: Any) -> dict[str, Any]:
    """A Deployment whose pods no scheduler places."""
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"schedulerName": "absent", "containers": [{"name": "c", "image": "example/x:1"}]},
    }
    whole = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template} | spec
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": whole}


def pod(name: str = "a", labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod that no scheduler places."""
    whole = {
        "schedulerName": "absent",
        "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": "example/x"}],
    } | spec
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {"app": name}},
        "spec": whole,
    }


def containers(*each: dict[str, Any]) -> dict[str, Any]:
    """An apply configuration of a Deployment that has only these containers."""
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"selector": {"matchLabels": {"app": "a"}},
                 "template": {"metadata": {"labels": {"app": "a"}},
                         "spec": {"schedulerName": "absent", "containers": list(each)}},
                 "replicas": 0},
    }  # fmt: skip


def one(name: str, **more: Any) -> dict[str, Any]:
    """A container."""
    return {"name": name, "image": f"example/{name}:1"} | more


DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.diff.example.dev"},
    "spec": {
        "group": "diff.example.dev", "scope": "Namespaced",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing", "shortNames": ["th"],
                "categories": ["all"]},
        "versions": [{
            "name": "v1", "served": True, "storage": True,
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                    "statusReplicasPath": ".status.replicas"}},
            "additionalPrinterColumns": [
                {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                {"name": "Good", "type": "string",
                 "jsonPath": ".status.conditions[?(@.type=='Good')].status"},
                {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            ],
            "schema": {"openAPIV3Schema": {
                "type": "object", "required": ["spec"],
                "properties": {
                    "spec": {
                        "type": "object", "required": ["size"],
                        "properties": {
                            "size": {"type": "integer", "minimum": 1, "maximum": 10},
                            "replicas": {"type": "integer", "default": 1},
                            "word": {"type": "string", "maxLength": 5, "pattern": "^[a-z]+$",
                                    "default": "hello"},
                            "mode": {"type": "string", "enum": ["on", "off"]},
                            "flag": {"type": "boolean"},
                            "ratio": {"type": "number", "exclusiveMinimum": True, "minimum": 0},
                            "port": {"x-kubernetes-int-or-string": True},
                            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                            "maybe": {"type": "string", "nullable": True},
                            "tags": {"type": "array", "maxItems": 3, "x-kubernetes-list-type": "set",
                                    "items": {"type": "string"}},
                            "plain": {"type": "array", "minItems": 1, "items": {"type": "integer"}},
                            "parts": {
                                "type": "array", "maxItems": 5, "x-kubernetes-list-type": "map",
                                "x-kubernetes-list-map-keys": ["name"],
                                "items": {
                                    "type": "object", "required": ["name"],
                                    "properties": {"name": {"type": "string", "maxLength": 10},
                                            "value": {"type": "integer"},
                                                   "kind": {"type": "string", "default": "plain"}},
                                    "x-kubernetes-validations": [
                                        {"rule": "!has(oldSelf.value) || self.value >= oldSelf.value",
                                         "message": "value must not fall"}],
                                },
                            },
                            "labels": {"type": "object", "maxProperties": 2,
                                    "additionalProperties": {"type": "string"}},
                        },
                        "x-kubernetes-validations": [
                            {"rule": "self.size <= 9 || self.word != 'nine'",
                             "message": "nine is not enough"},
                            {"rule": "!has(self.mode) || !has(oldSelf.mode) || self.mode == oldSelf.mode",
                             "message": "mode is fixed"},
                            {"rule": "!has(self.flag) || self.flag",
                             "messageExpression": "self.flag ? 'never' : 'flag is down'"},
                        ],
                    },
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }},
        }],
    },
}  # fmt: skip


def thing(name: str = "t", **spec: Any) -> dict[str, Any]:
    """An object of the definition above."""
    return {
        "apiVersion": "diff.example.dev/v1",
        "kind": "Thing",
        "metadata": {"name": name},
        "spec": {"size": 1} | spec,
    }


EV, NEW_EV = "/api/v1/namespaces/{ns}/events", "/apis/events.k8s.io/v1/namespaces/{ns}/events"


def event(name: str = "a", **more: Any) -> dict[str, Any]:
    """An Event of the group `events.k8s.io`."""
    about = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "namespace": "{ns}"}
    return {
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name},
        "eventTime": "2026-01-01T00:00:00.000001Z",
        "type": "Normal", "reason": "Tested", "action": "Test", "note": "n", "regarding": about,
        "reportingController": "example.dev/test", "reportingInstance": "one",
    } | more  # fmt: skip


def old_event(name: str = "b", **more: Any) -> dict[str, Any]:
    """An Event of the core group."""
    about = {"apiVersion": "v1", "kind": "ConfigMap", "name": "y", "namespace": "{ns}"}
    return {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "type": "Normal", "reason": "Tested",
        "message": "m",
        "involvedObject": about, "count": 2, "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:01Z",
        "source": {"component": "test"},
    } | more  # fmt: skip


LEASE, RBAC_PATH = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", "/apis/rbac.authorization.k8s.io/v1"
OLD_PAIR, PAIR = (f"/apis/more.example.dev/{name}/namespaces/{{ns}}/pairs" for name in ("v1beta1", "v1"))
TIGHT = "/apis/more.example.dev/v1/namespaces/{ns}/tights"
INITIAL = "watch=true&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true"
INITIAL += "&resourceVersionMatch=NotOlderThan"


def definition(name: str, *versions: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A definition whose first version is stored; each version is a name and a schema of its spec."""
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{name}s.more.example.dev"},
        "spec": {
            "group": "more.example.dev", "scope": "Namespaced",
            "names": {"plural": f"{name}s", "singular": name, "kind": name.capitalize(),
                    "listKind": f"{name.capitalize()}List"},
            "versions": [
                {"name": version, "served": True, "storage": not number,
                 "subresources": {"status": {}, "scale": scale},
                 "schema": {"openAPIV3Schema": {"type": "object",
                         "properties": {"spec": spec, "status": status}}}}
                for number, (version, spec) in enumerate(versions)
            ],
        },
    }  # fmt: skip


def tight_spec(is_tight: bool) -> dict[str, Any]:
    """The schema of a spec before and after it became stricter."""

    def strict(**rules: Any) -> dict[str, Any]:
        return rules if is_tight else {}

    text = {"type": "string"}
    part = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": text, "v": {"type": "integer"} | strict(maximum=10)},
    }
    rules = [{"rule": "self.a == 'y'", "message": "a must be y"}]
    return {"type": "object", "properties": {
        "size": {"type": "integer"} | strict(maximum=10), "word": text | strict(maxLength=3),
        "other": {"type": "integer"},
        "parts": {"type": "array", "items": part, "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"]},
        "plain": {"type": "array", "items": text | strict(maxLength=3)},
        "tags": {"type": "array", "items": text} | strict(**{"x-kubernetes-list-type": "set"}),
        "sub": {"type": "object", "properties": {"a": text, "b": text}} | strict(required=["b"],
                **{"x-kubernetes-validations": rules}),
    }}  # fmt: skip


COUNTED = {
    "type": "object",
    "properties": {"size": {"type": "integer"}, "replicas": {"type": "integer"}, "word": {"type": "string"}},
}
PAIRS = definition("pair", ("v1beta1", COUNTED), ("v1", COUNTED))
LOOSE, TIGHTENED = (definition("tight", ("v1", tight_spec(is_tight))) for is_tight in (False, True))


def custom(kind: str, version: str = "v1", name: str = "a", **spec: Any) -> dict[str, Any]:
    """An object of one of these."""
    return {
        "apiVersion": f"more.example.dev/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }

"""What is asked of both servers: scenarios, each a list of calls in order. `{ns}` is a namespace of the scenario's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

MERGE, JSON, STRATEGIC, APPLY = (
    "application/merge-patch+json", "application/json-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml",
)  # fmt: skip
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
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
RBAC = "rbac.authorization.k8s.io"
ROLE, BIND = f"/apis/{RBAC}/v1/namespaces/{{ns}}/roles", f"/apis/{RBAC}/v1/namespaces/{{ns}}/rolebindings"
WIDE_ROLE, WIDE_BIND = f"/apis/{RBAC}/v1/clusterroles", f"/apis/{RBAC}/v1/clusterrolebindings"
REVIEW = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
THING = "/apis/diff.example.dev/v1/namespaces/{ns}/things"


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    body: Any = None
    content: str = "application/json"
    accept: str = "application/json"
    user: str = ""


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


def by(user: str, call: Call) -> Call:
    """The same by another user."""
    return replace(call, user=user)


def role(name: str, *rules: tuple[str, str, str], kind: str = "Role", **more: Any) -> dict[str, Any]:
    """A role with rules, each a group, resources and verbs, with commas."""
    found = [
        {"apiGroups": [group], "resources": things.split(","), "verbs": verbs.split(",")}
        for group, things, verbs in rules
    ]
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name}, "rules": found} | more


def binding(name: str, user: str, to: str, kind: str = "Role", wide: bool = False) -> dict[str, Any]:
    """A binding of a user to a role."""
    reference = {"apiGroup": RBAC, "kind": kind, "name": to}
    subject = {"apiGroup": RBAC, "kind": "User", "name": user}
    of = "ClusterRoleBinding" if wide else "RoleBinding"
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": of,
        "metadata": {"name": name},
        "roleRef": reference,
        "subjects": [subject],
    }


def config_map(name: str = "a", **data: Any) -> dict[str, Any]:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "a", **spec: Any) -> dict[str, Any]:
    """A Deployment whose pods nobody schedules."""
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "c", "image": "example/x:1"}]},
    }
    whole = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template} | spec
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": whole}


def pod(name: str = "a", labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod that nobody schedules."""
    whole = {
        "schedulerName": "nobody",
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
    """An apply configuration of a Deployment with these containers and nothing else."""
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"selector": {"matchLabels": {"app": "a"}},
                 "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"schedulerName": "nobody", "containers": list(each)}},
                 "replicas": 0},
    }  # fmt: skip


def scale(replicas: int) -> dict[str, Any]:
    """A Scale to apply."""
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"}, "spec": {"replicas": replicas}}


def one(name: str, **more: Any) -> dict[str, Any]:
    """A container."""
    return {"name": name, "image": f"example/{name}:1"} | more


DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.diff.example.dev"},
    "spec": {
        "group": "diff.example.dev", "scope": "Namespaced",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing", "shortNames": ["th"], "categories": ["all"]},
        "versions": [{
            "name": "v1", "served": True, "storage": True,
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
            "additionalPrinterColumns": [
                {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                {"name": "Good", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Good')].status"},
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
                            "word": {"type": "string", "maxLength": 5, "pattern": "^[a-z]+$", "default": "hello"},
                            "mode": {"type": "string", "enum": ["on", "off"]},
                            "flag": {"type": "boolean"},
                            "ratio": {"type": "number", "exclusiveMinimum": True, "minimum": 0},
                            "port": {"x-kubernetes-int-or-string": True},
                            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                            "maybe": {"type": "string", "nullable": True},
                            "tags": {"type": "array", "maxItems": 3, "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                            "plain": {"type": "array", "minItems": 1, "items": {"type": "integer"}},
                            "parts": {
                                "type": "array", "maxItems": 5, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                                "items": {
                                    "type": "object", "required": ["name"],
                                    "properties": {"name": {"type": "string", "maxLength": 10}, "value": {"type": "integer"},
                                                   "kind": {"type": "string", "default": "plain"}},
                                    "x-kubernetes-validations": [
                                        {"rule": "!has(oldSelf.value) || self.value >= oldSelf.value", "message": "value must not fall"}],
                                },
                            },
                            "labels": {"type": "object", "maxProperties": 2, "additionalProperties": {"type": "string"}},
                        },
                        "x-kubernetes-validations": [
                            {"rule": "self.size <= 9 || self.word != 'nine'", "message": "nine is not enough"},
                            {"rule": "!has(self.mode) || !has(oldSelf.mode) || self.mode == oldSelf.mode", "message": "mode is fixed"},
                            {"rule": "!has(self.flag) || self.flag", "messageExpression": "self.flag ? 'never' : 'flag is down'"},
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
    """An Event of the new spelling."""
    about = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "namespace": "{ns}"}
    return {
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name}, "eventTime": "2026-01-01T00:00:00.000001Z",
        "type": "Normal", "reason": "Tested", "action": "Test", "note": "n", "regarding": about,
        "reportingController": "example.dev/test", "reportingInstance": "one",
    } | more  # fmt: skip


def old_event(name: str = "b", **more: Any) -> dict[str, Any]:
    """An Event of the old spelling."""
    about = {"apiVersion": "v1", "kind": "ConfigMap", "name": "y", "namespace": "{ns}"}
    return {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "type": "Normal", "reason": "Tested", "message": "m",
        "involvedObject": about, "count": 2, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:01Z",
        "source": {"component": "test"},
    } | more  # fmt: skip


LEASE, RBAC_PATH = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", "/apis/rbac.authorization.k8s.io/v1"
OLD_PAIR, PAIR = (f"/apis/more.example.dev/{name}/namespaces/{{ns}}/pairs" for name in ("v1beta1", "v1"))
TIGHT = "/apis/more.example.dev/v1/namespaces/{ns}/tights"
INITIAL = (
    "watch=true&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
)


def definition(name: str, *versions: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A definition whose first version is the one that is stored; each is a name and the schema of its spec."""
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{name}s.more.example.dev"},
        "spec": {
            "group": "more.example.dev", "scope": "Namespaced",
            "names": {"plural": f"{name}s", "singular": name, "kind": name.capitalize(), "listKind": f"{name.capitalize()}List"},
            "versions": [
                {"name": version, "served": True, "storage": not number, "subresources": {"status": {}, "scale": scale},
                 "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}}}
                for number, (version, spec) in enumerate(versions)
            ],
        },
    }  # fmt: skip


def tight_spec(is_tight: bool) -> dict[str, Any]:
    """The schema of a spec before and after it has become stricter."""

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
        "size": {"type": "integer"} | strict(maximum=10), "word": text | strict(maxLength=3), "other": {"type": "integer"},
        "parts": {"type": "array", "items": part, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        "plain": {"type": "array", "items": text | strict(maxLength=3)},
        "tags": {"type": "array", "items": text} | strict(**{"x-kubernetes-list-type": "set"}),
        "sub": {"type": "object", "properties": {"a": text, "b": text}} | strict(required=["b"], **{"x-kubernetes-validations": rules}),
    }}  # fmt: skip


COUNTED = {
    "type": "object",
    "properties": {"size": {"type": "integer"}, "replicas": {"type": "integer"}, "word": {"type": "string"}},
}
PAIRS = definition("pair", ("v1beta1", COUNTED), ("v1", COUNTED))
LOOSE, TIGHTENED = (definition("tight", ("v1", tight_spec(is_tight))) for is_tight in (False, True))


def custom(kind: str, version: str = "v1", name: str = "a", **spec: Any) -> dict[str, Any]:
    """An object of one of these."""
    return {"apiVersion": f"more.example.dev/{version}", "kind": kind, "metadata": {"name": name}, "spec": spec}


SCENARIOS: dict[str, list[Call]] = {
    "custom kinds: two versions": [
        post(OLD_PAIR, custom("Pair", "v1beta1", size=1, replicas=1)), post(PAIR, custom("Pair", name="b", size=2)), get(f"{PAIR}/a"),
        get(f"{OLD_PAIR}/b"), get(PAIR), get(OLD_PAIR), get(PAIR, TABLE), patch(f"{PAIR}/a", {"metadata": {"annotations": {"x": "y"}}}),
        patch(f"{PAIR}/a", [{"op": "add", "path": "/spec/word", "value": "w"}], JSON), patch(f"{PAIR}/a/scale", {"spec": {"replicas": 3}}),
        patch(f"{PAIR}/a/status", {"status": {"replicas": 3}}), patch(f"{PAIR}/a", {}), patch(f"{OLD_PAIR}/b", {}),
        patch(f"{PAIR}/a", {"apiVersion": "more.example.dev/v1beta1"}), post(PAIR, custom("Pair", "v1beta1", "c")),
        apply(f"{PAIR}/a?force=true", custom("Pair", size=5)), apply(f"{OLD_PAIR}/a", custom("Pair", "v1beta1", size=6)), get(f"{PAIR}/a"),
        get("/apis/more.example.dev"), delete(f"{PAIR}/a"), delete(OLD_PAIR), get(PAIR),
    ],
    "creates by updates": [
        put(f"{LEASE}/n", {"metadata": {"name": "n"}, "spec": {"holderIdentity": "m"}}), put(f"{LEASE}/n", {"metadata": {"name": "n"}, "spec": {}}),
        put(f"{LEASE}/m", {"metadata": {"name": "m", "resourceVersion": "5"}, "spec": {}}), put(f"{LEASE}/o", {"metadata": {"name": "p"}}),
        put(f"{LEASE}/o", {"metadata": {"name": "o"}, "spec": {"leaseDurationSeconds": 0}}),
        put("/apis/coordination.k8s.io/v1/namespaces/nowhere/leases/n", {"metadata": {"name": "n"}, "spec": {}}),
        put(RBAC_PATH + "/namespaces/{ns}/roles/n", {"metadata": {"name": "n"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}),
        put(RBAC_PATH + "/namespaces/{ns}/rolebindings/n", {"metadata": {"name": "n"}, "roleRef": {"kind": "Role", "name": "n", "apiGroup": "rbac.authorization.k8s.io"}}),
        put(f"{SVC}/n", {"metadata": {"name": "n"}, "spec": {"ports": [{"port": 80}]}}), put(f"{EV}/b", old_event()), put(f"{NEW_EV}/a", event()),
        put(f"{POD}/n", pod("n")), put(f"{PDB}/n", {"metadata": {"name": "n"}, "spec": {"minAvailable": 1}}), put(f"{DEPLOY}/a", deployment()),
        put("/api/v1/namespaces/{ns}/secrets/n", {"metadata": {"name": "n"}}), put(f"{ACCOUNT}/n", {"metadata": {"name": "n"}}), put(f"{LEASE}/n/status", {}),
        put(f"{THING}/n", thing("n")),
    ],
    "yaml": [
        *(Call("POST", CM, f"metadata: {{name: y{i}}}\ndata: {text}\n".encode(), "application/yaml") for i, text in enumerate((
            "{a: 2026-01-01}", "{a: 2026-01-01T00:00:00Z}", "{1: x}", "{true: x, 1.5: y}", "{a: !!binary aGVsbG8=}", "{2026-01-01: a}", "{on: a}",
            "{1e3: a, 0o14: b, 010: c, 2_000: e}", "{<<: {a: b}}", "{a: yes}", "{a: 0x10}", "{? [a]: b}"))),
        *(Call("POST", THING, f"apiVersion: diff.example.dev/v1\nkind: Thing\nmetadata: {{name: y{i}}}\nspec: {{size: 1, {text}}}\n".encode(),
               "application/yaml") for i, text in enumerate((
            "replicas: 012", "replicas: 1_0", "replicas: 1e0", "replicas: 0o7", "word: yes", "word: y", "word: 12:30", "ratio: .5", "ratio: 08"))),
    ],
    "watches that begin with what there is": [
        post(CM, config_map(x="1")), get(f"{CM}?{INITIAL}&fieldSelector=metadata.name%3Da"), get(f"{CM}?{INITIAL}&fieldSelector=metadata.name%3Da", PARTIAL),
        get(f"{CM}?{INITIAL}&fieldSelector=metadata.name%3Da", TABLE), get(f"{CM}?{INITIAL}&labelSelector=none", PARTIAL),
        get(f"{CM}?watch=true&timeoutSeconds=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"),
        get(f"{CM}?watch=true&timeoutSeconds=1&sendInitialEvents=true"), get(f"{CM}?{INITIAL}&resourceVersion=1&fieldSelector=metadata.name%3Da"),
        get(f"{CM}?{INITIAL}&resourceVersion=1000000000000"), get(f"{CM}?resourceVersion=1000000000000"),
    ],
    "lists in pieces": [
        *(post(SVC, {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}) for name in "abc"), get(f"{SVC}?limit=-1"), get(f"{SVC}?limit=10"),
        get(f"{SVC}?limit=1&resourceVersion=0"), get(f"{SVC}?limit=2"), get(f"{SVC}?limit=2&labelSelector=none"),
    ],
    "logs: options that are none": [
        post(POD, pod()), *(get(f"{POD}/a/log?{query}") for query in (
            "tailLines=x", "tailLines=-1", "limitBytes=0", "sinceSeconds=0", "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", "stream=Stdout",
            "tailLines=-1&limitBytes=0", "sinceTime=2026-01-01T00:00:00Z", "timestamps=x")),
    ],
    "events have two spellings": [
        post(NEW_EV, event()), post(EV, old_event()), get(f"{EV}/a"), get(f"{NEW_EV}/a"), get(f"{EV}/b"), get(f"{NEW_EV}/b"), get(EV),
        get(NEW_EV), get(EV, TABLE), get(NEW_EV, TABLE),
        get(f"{NEW_EV}?fieldSelector=regarding.name=x"), get(f"{EV}?fieldSelector=involvedObject.name=y"),
        get(f"{NEW_EV}?fieldSelector=note=n"),
        patch(f"{NEW_EV}/a", {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:02.000000Z"}}),
        patch(f"{NEW_EV}/a", {"series": {"count": 3}}, STRATEGIC), patch(f"{EV}/b", {"count": 3}), get(f"{NEW_EV}/b"),
        patch(f"{NEW_EV}/a", {"note": "other"}), patch(f"{NEW_EV}/a", {"reason": "Other", "type": "Warning"}),
        apply(f"{NEW_EV}/c", event("c")), apply(f"{NEW_EV}/c", event("c")), get(f"{EV}/c"),
        delete(f"{NEW_EV}/b"), delete(f"{NEW_EV}/b"), delete(EV), get(NEW_EV),
    ],
    "events that change their spelling": [
        post(EV, old_event()), patch(f"{NEW_EV}/b", {"metadata": {"labels": {"x": "y"}}}), patch(f"{EV}/b", {"metadata": {"labels": {"z": "y"}}}),
        patch(f"{EV}/b?fieldManager=two", {"count": 5}), patch(f"{NEW_EV}/b?fieldManager=two", {"metadata": {"labels": {"q": "1"}}}), get(f"{EV}/b"),
        post(NEW_EV, event()), patch(f"{EV}/a", {"count": 3}), patch(f"{NEW_EV}/a", {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:02.000000Z"}}),
        patch(f"{EV}/a", {"series": {"count": 3, "lastObservedTime": "2026-01-01T00:00:03.000000Z"}}), get(f"{NEW_EV}/a"),
        apply(f"{EV}/c", old_event("c")), apply(f"{NEW_EV}/c", {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "c", "labels": {"a": "b"}}}),
        apply(f"{NEW_EV}/c", {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "c", "labels": {"a": "c"}}}, "two"),
        apply(f"{EV}/c", {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "c"}, "message": "other"}, "two"), get(f"{NEW_EV}/c"),
    ],
    "requests that are passed on to nobody": [
        post(POD, pod()), get(f"{POD}/a/proxy/"), get(f"{POD}/none/proxy/x"), get(f"{POD}/a:b:c:d/proxy/"), get(f"{POD}/a:x/proxy/"),
        get(f"{SVC}/none/proxy/"), get(f"{SVC}/none:80/proxy/x?y=z"), get(f"{SVC}/x:n:80/proxy/"), Call("POST", f"{POD}/none/proxy/x", {}), Call("PUT", f"{SVC}/none/proxy/x", {}),
        get("/api/v1/nodes/none/proxy/"), get(f"{POD}/https:a:80/proxy/"),
    ],
    "events that are refused": [
        post(NEW_EV, event(eventTime=None)), post(NEW_EV, event(type="Odd")), post(NEW_EV, event(action="")), post(NEW_EV, event(reason="r" * 129)),
        post(NEW_EV, event(note="n" * 1025)), post(NEW_EV, event(reportingController="")), post(NEW_EV, event(reportingInstance="")),
        post(NEW_EV, old_event()), post(EV, event()), post(f"{NEW_EV}?fieldValidation=Strict", event(message="m")),
        post(NEW_EV, event(deprecatedCount=3, deprecatedSource={"component": "x"}, deprecatedFirstTimestamp="2026-01-01T00:00:00Z")),
        post(NEW_EV, event(reportingController="a b")), post(NEW_EV, event(regarding={"kind": "Node", "name": "n"})),
        post(EV, old_event(eventTime="2026-01-01T00:00:00.000001Z")), post(NEW_EV, event(series={"count": 1})), post(EV, old_event(involvedObject={})),
    ],
    "create, read, update, delete": [
        post(CM, config_map(x="1")), post(CM, config_map(x="2")), get(f"{CM}/a"), get(f"{CM}/nope"),
        put(f"{CM}/a", config_map(x="3")), put(f"{CM}/a", config_map(x="3")), put(f"{CM}/b", config_map("c")), put(f"{CM}/b", config_map("b")),
        put(f"{CM}/a", config_map(x="4") | {"metadata": {"name": "a", "resourceVersion": "1"}}),
        put(f"{CM}/a", config_map(x="4") | {"metadata": {"name": "a", "uid": "x"}}),
        delete(f"{CM}/a", {"preconditions": {"uid": "x"}}), delete(f"{CM}/a"), delete(f"{CM}/a"),
    ],
    "bad bodies": [
        post(CM, []), post(CM, "x"), post(CM, 3), post(CM, None), post(CM, {}), post(CM, {"metadata": {}}), post(CM, {"metadata": []}),
        Call("POST", CM, b"{"), Call("POST", CM, b"x: y: z", "application/yaml"), Call("POST", CM, b"{}", "text/html"),
        post(CM, config_map() | {"kind": "Secret"}), post(CM, config_map() | {"apiVersion": "v2"}),
        post(CM, config_map() | {"metadata": {"name": "a", "namespace": "other"}}),
        post(CM, config_map() | {"metadata": {"name": "A_b"}}), post(CM, config_map() | {"metadata": {"name": "a" * 254}}),
        post(CM, config_map() | {"metadata": {"name": "a", "labels": {"-x": "y", "ok": "no good"}}}),
        post(CM, config_map() | {"metadata": {"name": "a", "resourceVersion": "3"}}),
        post(CM, config_map() | {"data": {"a/b": "x"}}), post(CM, config_map() | {"data": {"a": 1}}), post(CM, config_map() | {"data": []}),
        post(f"{CM}?fieldValidation=Strict", config_map() | {"dota": {}, "metadata": {"name": "a", "lobels": {}}}),
        post(f"{CM}?fieldValidation=Maybe", config_map()), post(f"{CM}?dryRun=Some", config_map()),
        post("/api/v1/namespaces/nowhere/configmaps", config_map()), post("/api/v1/configmaps", config_map()),
        get("/api/v1/namespaces/{ns}/nothings"), get("/apis/no.such/v1/x"), get("/api/v2/x"),
    ],
    "unknown fields in patches": [
        post(CM, config_map(x="1")), post(THING, thing("u")),
        *(patch(f"{at}?fieldValidation={how}", body, content) for at in (f"{CM}/a", f"{THING}/u") for how in ("Strict", "Warn")
          for body, content in (({"bogus": {"a": 1}}, MERGE), ([{"op": "add", "path": "/bogus", "value": 1}], JSON))),
        patch(f"{CM}/a?fieldValidation=Strict", {"bogus": {"a": 1}}, STRATEGIC), get(f"{CM}/a"), get(f"{THING}/u"),
    ],
    "kubectl's apply keeps its annotation": [
        post(CM, config_map(x="1") | {"metadata": {"name": "a", "annotations": {LAST_APPLIED: "{}", "other": "<&>"}}}),
        apply(f"{CM}/a", {"apiVersion": "v1", "kind": "ConfigMap", "data": {"y": "<&>"}, "metadata": {"annotations": {"more": "m"}}}, "kubectl"),
        get(f"{CM}/a"), apply(f"{CM}/a", {"apiVersion": "v1", "kind": "ConfigMap", "data": {"z": "1"}}, "other"), get(f"{CM}/a"),
        post(CM, config_map("b")), apply(f"{CM}/b", {"apiVersion": "v1", "kind": "ConfigMap", "data": {"z": "1"}}, "kubectl"), get(f"{CM}/b"),
    ],
    "types of secrets": [
        *(post(f"{NS}/secrets", {"metadata": {"name": f"s{i}"}, "type": kind, "data": data})
          for i, (kind, data) in enumerate(
              (f"kubernetes.io/{kind}", data)
              for kind in ("tls", "basic-auth", "ssh-auth", "dockercfg", "dockerconfigjson", "service-account-token", "other")
              for data in ({}, {"x": "eQ=="}, {"tls.crt": "", "username": "", "ssh-privatekey": "eQ==", ".dockercfg": "e30=", ".dockerconfigjson": "eQ=="})
          )),
    ],
    "dry run": [post(f"{CM}?dryRun=All", config_map(x="1")), get(f"{CM}/a"), post(CM, config_map()), delete(f"{CM}/a?dryRun=All"), get(f"{CM}/a")],
    "the four patches": [
        post(CM, config_map(x="1", y="2")), patch(f"{CM}/a", {"data": {"x": None, "z": "3"}}), patch(f"{CM}/a", {"data": {"x": None}}),
        patch(f"{CM}/a", [{"op": "replace", "path": "/data/z", "value": "4"}], JSON),
        patch(f"{CM}/a", [{"op": "test", "path": "/data/z", "value": "5"}], JSON),
        patch(f"{CM}/a", [{"op": "remove", "path": "/data/none"}], JSON), patch(f"{CM}/a", {"op": "remove"}, JSON),
        patch(f"{CM}/a", {"data": {"w": "1"}}, STRATEGIC), patch(f"{CM}/a", [], MERGE), patch(f"{CM}/a", "x", MERGE),
        patch(f"{CM}/a", {"metadata": {"name": "b"}}), patch(f"{CM}/a", {}, "application/what+json"), patch(f"{CM}/none", {}),
        patch(f"{CM}/a?force=true", {}), patch(f"{CM}/a", {"data": {"x": "y"}}, APPLY), patch(f"{CM}/a", {"metadata": {"labels": {"a": "b"}}}),
        patch(f"{CM}/a", {"metadata": {"labels": None}}), patch(f"{CM}/a", {"metadata": {"resourceVersion": "1"}}),
    ],
    "a deployment's defaults and faults": [
        post(DEPLOY, deployment()), get(f"{DEPLOY}/a"), post(DEPLOY, {"metadata": {"name": "b"}}), post(DEPLOY, {"metadata": {"name": "b"}, "spec": {}}),
        post(DEPLOY, deployment("b", selector={"matchLabels": {"app": "other"}})), post(DEPLOY, deployment("b", replicas=-1)),
        post(DEPLOY, deployment("b", replicas="3")), post(DEPLOY, deployment("b", template={"metadata": {"labels": {"app": "b"}}, "spec": {}})),
        post(DEPLOY, deployment("b", template={"metadata": {"labels": {"app": "b"}}, "spec": {"containers": [{"name": "X"}]}})),
        patch(f"{DEPLOY}/a", {"spec": {"selector": {"matchLabels": {"b": "c"}}}}), patch(f"{DEPLOY}/a", {"spec": {"paused": True}}),
        patch(f"{DEPLOY}/a/status", {"status": {"replicas": 5}, "spec": {"paused": False}}),
    ],
    "strategic merge of containers": [
        post(DEPLOY, deployment(template={"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [
            one("x", env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], ports=[{"containerPort": 80}]), one("y")]}})),
        patch(f"{DEPLOY}/a", {"spec": {"template": {"spec": {"containers": [{"name": "x", "image": "new"}]}}}}, STRATEGIC),
        patch(f"{DEPLOY}/a", {"spec": {"template": {"spec": {"containers": [{"name": "y", "$patch": "delete"}]}}}}, STRATEGIC),
        patch(f"{DEPLOY}/a", {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "z"}, {"name": "x"}], "containers": [
            one("z"), {"name": "x", "env": [{"name": "B", "value": "3"}, {"name": "A", "$patch": "delete"}]}]}}}}, STRATEGIC),
        patch(f"{DEPLOY}/a", {"spec": {"template": {"spec": {"containers": [{"image": "nameless"}]}}}}, STRATEGIC),
        patch(f"{DEPLOY}/a", {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, STRATEGIC),
        patch(f"{DEPLOY}/a", {"metadata": {"finalizers": ["x.y/z"]}}, STRATEGIC),
        patch(f"{DEPLOY}/a", {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x.y/z"]}}, STRATEGIC),
    ],
    "apply: owners and conflicts": [
        apply(f"{CM}/a", config_map(x="1", y="1")), apply(f"{CM}/a", config_map(x="1", y="1")), apply(f"{CM}/a", config_map(x="2"), "two"),
        apply(f"{CM}/a", config_map(x="2", y="2"), "two"),
        apply(f"{CM}/a", config_map(x="1"), "two"), apply(f"{CM}/a", config_map(y="1")), apply(f"{CM}/a", config_map(y="5"), "two", force="true"),
        apply(f"{CM}/a", config_map()), apply(f"{CM}/a", config_map(), "two"), patch(f"{CM}/a?fieldManager=three", {"data": {"q": "1"}}),
        apply(f"{CM}/a", config_map(q="2")), apply(f"{CM}/a", config_map(q="2"), force="true"), put(f"{CM}/a?fieldManager=four", config_map(q="9")),
        apply(f"{CM}/a", config_map() | {"metadata": {"name": "a", "managedFields": []}}), apply(f"{CM}/b", config_map()),
        patch(f"{CM}/a", {"metadata": {"managedFields": [{}]}}), apply(f"{CM}/a", config_map(q="1")),
        apply(f"{CM}/new", config_map("new") | {"metadata": {"name": "new", "resourceVersion": "1"}}),
    ],
    "apply: lists of maps": [
        apply(f"{DEPLOY}/a", containers(one("x", ports=[{"containerPort": 80}]), one("y"))), apply(f"{DEPLOY}/a", containers(one("y"), one("x")), "two"),
        apply(f"{DEPLOY}/a", containers(one("x"))), apply(f"{DEPLOY}/a", containers(one("z"), one("x", env=[{"name": "A", "value": "1"}])), "two"),
        apply(f"{DEPLOY}/a", containers(one("x", env=[{"name": "A", "value": "2"}]))), apply(f"{DEPLOY}/a", containers(one("z")), "two"),
        apply(f"{DEPLOY}/a", containers(one("x", resources={"limits": {"cpu": "0.5", "memory": "1024Ki"}}))),
        apply(f"{DEPLOY}/a", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"nothing": 1}}),
        apply(f"{DEPLOY}/a", containers(one("x"), one("x"))), apply(f"{DEPLOY}/a", containers({"image": "nameless"})), get(f"{DEPLOY}/a"),
    ],
    "finalizers and propagation": [
        post(CM, config_map() | {"metadata": {"name": "a", "finalizers": ["x.y/z"]}}), delete(f"{CM}/a"), delete(f"{CM}/a"),
        patch(f"{CM}/a", {"metadata": {"finalizers": ["x.y/z", "x.y/w"]}}), patch(f"{CM}/a", {"metadata": {"finalizers": None}}), get(f"{CM}/a"),
        post(CM, config_map("b")), delete(f"{CM}/b", {"propagationPolicy": "What"}), delete(f"{CM}/b", {"propagationPolicy": "Background"}),
        post(CM, config_map("c") | {"metadata": {"name": "c", "finalizers": ["bad"]}}),
    ],
    "lists and selectors": [
        *(post(CM, config_map(name) | {"metadata": {"name": name, "labels": {"n": name, "all": "yes"}}}) for name in "abc"),
        get(f"{CM}?labelSelector=n%3Da"), get(f"{CM}?labelSelector=n+in+(a,b),all"), get(f"{CM}?labelSelector=n+notin+(a),%21zzz,all"),
        get(f"{CM}?labelSelector=%3D%3D"), get(f"{CM}?fieldSelector=metadata.name%3Db"), get(f"{CM}?fieldSelector=data.x%3Db"),
        get(f"{CM}?fieldSelector=metadata.name%21%3Db&labelSelector=all"), get(f"{CM}?continue=nonsense"), get(f"{CM}?limit=x"),
        get(f"{CM}?labelSelector=all", TABLE), get(f"{CM}/a", TABLE), get(f"{CM}/a", PARTIAL), get(CM, "application/xml"),
        Call("DELETE", f"{CM}?labelSelector=n+in+(a,b)"), get(f"{CM}?labelSelector=all"),
    ],
    "selectors of labels, good and bad": [
        post(CM, config_map() | {"metadata": {"name": "a", "labels": {"n": "a", "m": "5", "e": ""}}}),
        *(get(f"{CM}?labelSelector={quote(text)}") for text in (
            "n = a", "n in (a, b),m", "n notin (b),n", "!x,n", "m>4", "m<5", "e", "e=", "e in ()", "e in (,x)", "n in (a,)", "n,", "n,,m", "n in a", "n a",
            "n=a b", "=", "!", "!n m", "n in (a b)", "n in (a=b)", "n in (a", "m>x", "n=-a", "-n", "in=a", "n!=a,n", "n==a==b", "n in", "(n)", "n=(a)",
        )),
    ],
    "options of lists and watches": [
        post(CM, config_map()), *(get(f"{CM}?{query}") for query in (
            "resourceVersionMatch=Exact", "resourceVersion=0&resourceVersionMatch=Exact", "resourceVersion=0&resourceVersionMatch=Nearly",
            "resourceVersion=x", "resourceVersion=-1", "sendInitialEvents=true", "resourceVersion=0&resourceVersionMatch=NotOlderThan&continue=x",
            "watch=true&timeoutSeconds=1&resourceVersionMatch=NotOlderThan", "watch=true&timeoutSeconds=1&resourceVersion=x",
            "watch=true&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=Exact",
            "watch=true&timeoutSeconds=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan",
        )), get(f"{POD}/none/log?tailLines=-1&limitBytes=0&sinceSeconds=0"), get("/apis/rbac.authorization.k8s.io/v1"),
        get("/apis/apiextensions.k8s.io/v1"),
    ],
    "a scale is applied": [
        post(DEPLOY, deployment(paused=True)), apply(f"{DEPLOY}/a/scale", scale(2)), get(f"{DEPLOY}/a/scale"),
        apply(f"{DEPLOY}/a/scale", scale(3), "two"), apply(f"{DEPLOY}/a/scale", scale(3), "two", force="true"), get(f"{DEPLOY}/a"),
        apply(f"{DEPLOY}/a", {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": "many"}}),
        patch(f"{DEPLOY}/a", {}, "application/xml"),
    ],
    "services": [
        post(SVC, {"metadata": {"name": "a"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}], "selector": {"a": "b"}}}),
        post(SVC, {"metadata": {"name": "b"}, "spec": {}}), post(SVC, {"metadata": {"name": "b"}, "spec": {"ports": [{"port": 0}]}}),
        post(SVC, {"metadata": {"name": "B"}, "spec": {"ports": [{"port": 1}]}}),
        post(SVC, {"metadata": {"name": "c"}, "spec": {"ports": [{"port": 1}, {"port": 2}]}}), get(SVC, TABLE),
    ],
    "pods": [
        post(POD, pod()), get(f"{POD}/a"), get(f"{POD}/a", TABLE), patch(f"{POD}/a", {"spec": {"nodeName": "x"}}),
        patch(f"{POD}/a", {"spec": {"containers": [{"name": "c", "image": "new"}]}}, STRATEGIC),
        patch(f"{POD}/a/status", {"status": {"phase": "Running"}}), post(POD, pod("b", containers=[])),
        post(POD, pod("b", containers=[{"name": "c", "image": "x", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2x"}}}])),
        post(POD, pod("d", containers=[{"name": "c", "image": "x", "livenessProbe": {"httpGet": {"port": 80}}}],
                      volumes=[{"name": "v", "configMap": {"name": "q"}}, {"name": "e"}])),
        get(f"{POD}?fieldSelector=status.phase%3DRunning"), delete(f"{POD}/a"), get(f"{POD}/a"), get(f"{POD}/d/log"),
    ],
    "budgets and evictions": [
        post(PDB, {"metadata": {"name": "a"}, "spec": {"maxUnavailable": 1, "minAvailable": 1}}),
        post(PDB, {"metadata": {"name": "a"}, "spec": {"maxUnavailable": -1}}), post(POD, pod("p")),
        post(f"{POD}/p/eviction", {"metadata": {"name": "p"}}), post(f"{POD}/p/eviction", {"metadata": {"name": "p"}}),
    ],
    "custom kinds: values": [
        post(THING, thing()), get(f"{THING}/t"), post(THING, thing("u", size=0)), post(THING, thing("u", size=11)), post(THING, thing("u", size="1")),
        post(THING, thing("u", size=1.5)), post(THING, thing("u", word="toolong")), post(THING, thing("u", word="UP")), post(THING, thing("u", word="")),
        post(THING, thing("u", mode="maybe")), post(THING, thing("u", flag="x")), post(THING, thing("u", flag=False)), post(THING, thing("u", ratio=0)),
        post(THING, thing("u", port=[])), post(THING, thing("u", tags=["a", "a"])), post(THING, thing("u", tags=["a", "b", "c", "d"])),
        post(THING, thing("u", plain=[])), post(THING, thing("u", plain=["x"])), post(THING, thing("u", labels={"a": "b", "c": "d", "e": "f"})),
        post(THING, thing("u", parts=[{"name": "a"}, {"name": "a"}])), post(THING, thing("u", parts=[{}])), post(THING, thing("u", parts="x")),
        post(THING, thing("u", size=10, word="nine")), post(THING, thing("u", size=0, word="UP", mode="maybe", parts=[{}])),
        post(THING, {"apiVersion": "diff.example.dev/v1", "kind": "Thing", "metadata": {"name": "u"}}),
        post(THING, {"apiVersion": "diff.example.dev/v1", "kind": "Thing", "metadata": {"name": "u"}, "spec": None}),
        post(THING, {"apiVersion": "diff.example.dev/v1", "kind": "Thing", "metadata": {"name": "u"}, "spec": 3}),
        post(f"{THING}?fieldValidation=Strict", thing("u", bogus=1, parts=[{"name": "a", "more": 2}])), post(THING, thing("u", bogus=1)),
        post(THING, thing("v", free={"a": {"b": None}}, maybe=None, port="x", ratio=0.5, word=None)), post(THING, thing("W")),
    ],
    "custom kinds: changes": [
        post(THING, thing(mode="on", parts=[{"name": "a", "value": 3}])), patch(f"{THING}/t", {"spec": {"mode": "off"}}),
        patch(f"{THING}/t", {"spec": {"parts": [{"name": "a", "value": 2}]}}), patch(f"{THING}/t", {"spec": {"parts": [{"name": "a", "value": 4}]}}),
        patch(f"{THING}/t", {"spec": {"size": None}}), patch(f"{THING}/t", {"spec": {"replicas": None}}), patch(f"{THING}/t", {"spec": {}}, STRATEGIC),
        patch(f"{THING}/t/status", {"status": {"replicas": 2, "conditions": [{"type": "Good", "status": "True"}]}, "spec": {"size": 9}}),
        put(f"{THING}/t", thing()), get(f"{THING}/t"), get(THING, TABLE), get(THING), get(f"{THING}/t/scale"), patch(f"{THING}/t/scale", {"spec": {"replicas": 4}}),
        put(f"{THING}/t/scale", {"metadata": {"name": "t"}, "spec": {"replicas": -1}}), get(f"{THING}/t/nothing"),
        apply(f"{THING}/s", thing("s", tags=["a", "b"], parts=[{"name": "x", "value": 1}], free={"p": 1})),
        apply(f"{THING}/s", thing("s", tags=["b", "c"], parts=[{"name": "y"}]), "two"),
        apply(f"{THING}/s", thing("s", tags=["b"], free={"q": [1]})), apply(f"{THING}/s", thing("s"), "two"), apply(f"{THING}/s", thing("s", size=2), "two"),
        apply(f"{THING}/s/status", {"apiVersion": "diff.example.dev/v1", "kind": "Thing", "metadata": {"name": "s"}, "status": {"x": 1}}, "three"),
        apply(f"{THING}/s", thing("s", bogus=1)), get(f"{THING}/s"),
    ],
    "access and discovery": [
        post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}),
        get("/apis/diff.example.dev"), get("/apis/diff.example.dev/v1"), get("/apis/no.such"), get("/apis/apps"), get("/apis/policy/v1"), get("/version"),
        get("/apis/coordination.k8s.io/v1"), get("/api"),
    ],
    "rbac, leases, secrets, accounts": [
        post("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles", {"metadata": {"name": "a:b"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}),
        post("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings", {
            "metadata": {"name": "a"}, "roleRef": {"kind": "Role", "name": "a:b", "apiGroup": "rbac.authorization.k8s.io"},
            "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "d"}]}),
        post("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings", {
            "metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "a:b", "apiGroup": ""}, "subjects": [{"kind": "User", "name": "u"}]}),
        patch("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/a", {"roleRef": {"name": "other"}}),
        get("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings", TABLE),
        post("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 0}}),
        post("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 5}}),
        put("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/l", {"metadata": {"name": "l"}, "spec": {}}),
        post("/api/v1/namespaces/{ns}/secrets", {"metadata": {"name": "s"}, "stringData": {"a": "b"}}),
        patch("/api/v1/namespaces/{ns}/secrets/s", {"type": "Other"}), get("/api/v1/namespaces/{ns}/secrets", TABLE),
        post("/api/v1/namespaces/{ns}/serviceaccounts", {"metadata": {"name": "s"}}),
    ],
    "rights that are given away": [
        post(ROLE, role("keeper", (RBAC, "roles,rolebindings", "get,create,update,patch,delete"), ("", "pods", "get,list"), ("", "secrets", "get"))),
        post(BIND, binding("keeper", "bob-{ns}", "keeper")), post(ROLE, role("more", ("", "pods", "get,delete"), ("apps", "deployments", "get"))),
        *(by("bob-{ns}", each) for each in (
            post(ROLE, role("a", ("", "pods", "get"))), post(ROLE, role("b", ("", "pods", "get,list,watch,delete"), ("apps", "deployments,replicasets", "*"))),
            post(ROLE, role("b", ("", "pods/log", "get"))), post(ROLE, role("b", ("*", "*", "*"))), post(ROLE, role("UP/", ("", "nodes", "get"))),
            post(ROLE, role("c") | {"rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["x", "y"], "verbs": ["get", "update"]}]}),
            post(ROLE, role("d") | {"rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["x", "y"], "verbs": ["get"]}]}),
            patch(f"{ROLE}/a", {"metadata": {"labels": {"x": "y"}}}), patch(f"{ROLE}/more", {"metadata": {"labels": {"x": "y"}}}),
            patch(f"{ROLE}/more", {"metadata": {"finalizers": ["a.b/c"]}}), patch(f"{ROLE}/more", {"metadata": {"finalizers": None}}),
            put(f"{ROLE}/a", role("a", ("", "pods", "delete"))), apply(f"{ROLE}/e", role("e", ("", "pods", "delete"))), apply(f"{ROLE}/e", role("e", ("", "pods", "list"))),
            post(BIND, binding("a", "eve", "a")), post(BIND, binding("b", "eve", "more")), post(BIND, binding("b", "eve", "none")), post(BIND, binding("b", "eve", "view", "ClusterRole")),
            post(BIND, binding("b", "eve", "none", "ClusterRole")), post(BIND, binding("b", "eve", "a", "Bogus")), patch(f"{BIND}/a", {"subjects": []}), patch(f"{BIND}/a", {"roleRef": {"name": "more"}}),
            post(WIDE_ROLE, role("bob-{ns}", kind="ClusterRole")), post(f"{ROLE}?dryRun=All", role("f", ("", "pods", "watch"))),
        )),
        post(ROLE, role("trusted", (RBAC, "roles", "escalate"), (RBAC, "roles,clusterroles", "bind"))), post(BIND, binding("trusted", "bob-{ns}", "trusted")),
        by("bob-{ns}", post(ROLE, role("g", ("", "nodes", "*")))), by("bob-{ns}", post(BIND, binding("g", "eve", "view", "ClusterRole"))),
        by("bob-{ns}", put(f"{ROLE}/more", role("more", ("", "pods", "*")))), by("bob-{ns}", post(BIND, binding("h", "eve", "none"))),
        post(WIDE_ROLE, role("w-{ns}", (RBAC, "clusterroles,clusterrolebindings", "*"), ("", "pods", "get"), kind="ClusterRole")),
        post(WIDE_BIND, binding("w-{ns}", "amy-{ns}", "w-{ns}", "ClusterRole", wide=True)),
        by("amy-{ns}", post(WIDE_ROLE, role("x-{ns}", ("", "pods", "get,list"), kind="ClusterRole"))),
    ],
    "roles and bindings that are none": [
        *(post(ROLE, role("a") | {"rules": [rule]}) for rule in (
            {}, {"verbs": ["get"]}, {"verbs": [], "apiGroups": [""], "resources": ["pods"]}, {"verbs": ["get"], "nonResourceURLs": ["/x"]},
            {"verbs": ["get"], "apiGroups": [""]}, {"verbs": ["get"], "resources": ["pods"]})),
        post(WIDE_ROLE, role("a-{ns}", kind="ClusterRole") | {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["pods"]}]}),
        post(BIND, binding("a", "u", "r", "Bogus")), post(BIND, binding("a", "u", "")), post(BIND, binding("a", "u", "a/b%c")), post(BIND, binding("a", "u", "..")),
        post(WIDE_BIND, binding("a-{ns}", "u", "r", "Role", wide=True)), post(BIND, binding("a", "", "r")),
        *(post(BIND, binding("a", "u", "r") | {"subjects": [subject]}) for subject in (
            {"kind": "ServiceAccount", "name": "UP", "apiGroup": "x"}, {"kind": "Bogus", "name": "x"}, {"kind": "User", "name": "x", "apiGroup": "x"}, {})),
        post(WIDE_BIND, binding("a-{ns}", "u", "r", "ClusterRole", wide=True) | {"subjects": [{"kind": "ServiceAccount", "name": "a"}]}),
        post(BIND, binding("a", "u", "r") | {"roleRef": {"kind": "Role", "name": "r"}}), post(BIND, binding("ok", "u", "r")),
        put(f"{BIND}/ok", binding("ok", "u", "s")), patch(f"{BIND}/ok", {"roleRef": {"kind": "ClusterRole"}}), patch(f"{BIND}/ok", {"subjects": None}),
    ],
    "rights to paths and to all roles that a label chooses": [
        post(WIDE_ROLE, {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "u-{ns}"}, "rules": [
            {"nonResourceURLs": ["/healthz", "/logs/*"], "verbs": ["get"]}, {"apiGroups": [RBAC], "resources": ["clusterroles"], "verbs": ["create", "update", "patch", "get"]},
            {"apiGroups": ["*"], "resources": ["*/scale", "pods"], "verbs": ["get"]}]}),
        post(WIDE_BIND, binding("u-{ns}", "ann-{ns}", "u-{ns}", "ClusterRole", wide=True)),
        *(by("ann-{ns}", post(WIDE_ROLE, role(f"v{i}-{{ns}}", kind="ClusterRole") | {"rules": [rule]})) for i, rule in enumerate((
            {"nonResourceURLs": ["/healthz"], "verbs": ["get"]}, {"nonResourceURLs": ["/logs/a", "/logs/*"], "verbs": ["get"]},
            {"nonResourceURLs": ["/metrics", "*"], "verbs": ["get", "post"]}, {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]},
            {"apiGroups": ["apps", ""], "resources": ["deployments", "pods"], "verbs": ["get"]}))),
        by("ann-{ns}", post(WIDE_ROLE, role("agg-{ns}", kind="ClusterRole", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}))),
    ],
    "pod security": [
        patch(NS, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "nonsense"}}}),
        patch(NS, {"metadata": {"labels": {"pod-security.kubernetes.io/warn-version": "1.2"}}}),
        post(POD, pod("a")), post(POD, pod("b", hostNetwork=True)),
        patch(NS, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"}}}),
        post(POD, pod("c")), post(POD, pod("d", hostPID=True, volumes=[{"name": "v", "hostPath": {"path": "/"}}])),
        post(POD, pod("d", containers=[one("x", ports=[{"containerPort": 80, "hostPort": 80}]), one("y", securityContext={"capabilities": {"add": ["SYS_ADMIN", "KILL"]}})])),
        post(POD, pod("d", securityContext={"seLinuxOptions": {"type": "bad", "user": "u"}, "sysctls": [{"name": "kernel.msgmax", "value": "1"}]})),
        post(POD, pod("d", securityContext={"seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Unconfined"}})),
        post(POD, pod("d", containers=[one("x", livenessProbe={"httpGet": {"host": "1.2.3.4", "port": 80}})])),
        post(DEPLOY, deployment()), patch(NS, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}),
        post(POD, pod("e", volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "nfs": {"server": "s", "path": "/"}}])),
        post(POD, pod("e", securityContext={"runAsNonRoot": False, "runAsUser": 0})), patch(f"{POD}/a", {"metadata": {"labels": {"x": "y"}}}),
        patch(f"{POD}/a", {"spec": {"containers": [{"name": "c", "image": "new"}]}}, STRATEGIC), post(POD, pod("f", serviceAccountName="gone")),
    ],
    "tokens of accounts": [
        post(f"{ACCOUNT}/default/token", {}), post(f"{ACCOUNT}/none/token", {}), post(f"{ACCOUNT}/default/token", {"spec": {"expirationSeconds": 10}}),
        post(f"{ACCOUNT}/default/token", {"spec": {"expirationSeconds": 700, "audiences": ["a", "b"]}}), get(f"{ACCOUNT}/default/token"),
        post(f"{ACCOUNT}/default/token", {"metadata": {"name": "other"}}),
        post(f"{ACCOUNT}/default/token", {"spec": {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "none"}}}),
        post(f"{ACCOUNT}/default/token", {"spec": {"boundObjectRef": {"kind": "ConfigMap", "apiVersion": "v1", "name": "none"}}}),
        post(REVIEW, {"spec": {"user": "bob", "resourceAttributes": {"verb": "get", "resource": "pods"}}}), post(REVIEW, {"spec": {}}),
        post(REVIEW, {"spec": {"user": "bob"}}), post(REVIEW, {"spec": {"groups": ["system:masters"], "nonResourceAttributes": {"verb": "get", "path": "/x"}}}),
        post(REVIEW, {"spec": {"user": "b", "groups": ["system:authenticated"], "nonResourceAttributes": {"verb": "get", "path": "/api"}}}),
    ],
    "services: what they are given": [
        post(SVC, {"metadata": {"name": "n"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 31001}]}}),
        put(f"{SVC}/n", {"metadata": {"name": "n"}, "spec": {"type": "NodePort", "ports": [{"port": 81}]}}),
        post(SVC, {"metadata": {"name": "m"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 31001}]}}),
        post(SVC, {"metadata": {"name": "m"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}}),
        patch(f"{SVC}/n", {"spec": {"type": "ClusterIP"}}), patch(f"{SVC}/n", {"spec": {"type": "ExternalName", "externalName": "a.b"}}),
        post(SVC, {"metadata": {"name": "l"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 31002}]}}),
    ],
    "patches of wrong types, and warnings": [
        post(DEPLOY, deployment()), patch(f"{DEPLOY}/a", {"spec": {"replicas": "x"}}), patch(f"{DEPLOY}/a", {"spec": {"replicas": "x"}}, STRATEGIC),
        patch(f"{DEPLOY}/a", [{"op": "replace", "path": "/spec/replicas", "value": []}], JSON), patch(f"{DEPLOY}/a/status", {"status": {"updatedReplicas": 3}}),
        post(DEPLOY, containers(one("x", env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "A", "value": "$(A)3"}], ports=[{"containerPort": 80}]),
                                one("y", ports=[{"containerPort": 80}]), one("z", ports=[{"containerPort": 80}])) | {"metadata": {"name": "w"}}),
    ],
}  # fmt: skip

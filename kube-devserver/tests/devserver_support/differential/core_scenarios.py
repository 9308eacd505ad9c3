"""Scenarios of Secrets and ConfigMaps, and of applied fields that Go does not write when they are empty."""

from __future__ import annotations

import base64
from typing import Any

from devserver_support.differential.calls import (
    CM,
    DEPLOY,
    JSON,
    MERGE,
    PDB,
    POD,
    STRATEGIC,
    SVC,
    TABLE,
    Call,
    apply,
    config_map,
    containers,
    delete,
    get,
    one,
    patch,
    pod,
    post,
    put,
)

SECRET = "/api/v1/namespaces/{ns}/secrets"
ENCODED = base64.b64encode(b"value").decode()
TYPES = {
    "kubernetes.io/tls": {"tls.crt": "", "tls.key": ""},
    "kubernetes.io/basic-auth": {"username": ENCODED},
    "kubernetes.io/ssh-auth": {"ssh-privatekey": ENCODED},
    "kubernetes.io/dockercfg": {".dockercfg": base64.b64encode(b"{}").decode()},
    "kubernetes.io/dockerconfigjson": {".dockerconfigjson": base64.b64encode(b"{}").decode()},
}


def secret(name: str = "a", **fields: Any) -> dict[str, Any]:
    """A Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}} | fields


def filled(size: int) -> str:
    """The base64 of so many bytes."""
    return base64.b64encode(b"x" * size).decode()


def service(name: str = "a", **spec: Any) -> dict[str, Any]:
    """A Service that has one port."""
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}} | spec,
    }  # fmt: skip


def budget(**spec: Any) -> dict[str, Any]:
    """A PodDisruptionBudget."""
    return {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "a"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}} | spec,
    }  # fmt: skip


def workload(container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """An apply configuration of a Deployment."""
    whole = containers(one("c", **container))
    return whole | {"spec": whole["spec"] | spec}


def twice(path: str, body: dict[str, Any]) -> list[Call]:
    """Two equal applies, and what is stored: the second changes nothing."""
    return [apply(path, body), apply(path, body), get(path)]


EMPTY_CONTAINER = {
    "args": [], "command": [], "env": [], "envFrom": [], "ports": [], "resources": {}, "stdin": False,
    "tty": False, "workingDir": "", "volumeMounts": [], "terminationMessagePath": "",
}  # fmt: skip

NO_METADATA: dict[str, Any] = {"labels": {}, "annotations": {}, "finalizers": [], "ownerReferences": []}
# Objects with fields that Go does not write, each with its path.
REPEATED: list[tuple[str, dict[str, Any]]] = [
    (f"{SVC}/a", service(publishNotReadyAddresses=False, externalIPs=[], sessionAffinity="")),
    (f"{SVC}/b", service("b", clusterIP="None") | {"metadata": {"name": "b"} | NO_METADATA}),
    (f"{DEPLOY}/a", workload(EMPTY_CONTAINER, paused=False, minReadySeconds=0)),
    (f"{POD}/a", pod(hostNetwork=False, volumes=[], nodeName="", tolerations=[])),
    (f"{PDB}/a", budget(minAvailable=0)),
    (f"{CM}/a", config_map() | {"binaryData": {}, "immutable": False}),
    (f"{SECRET}/a", secret(data={}, stringData={"a": "text"}, type="", immutable=False)),
]

CORE_SCENARIOS: dict[str, list[Call]] = {
    "secrets: data": [
        post(SECRET, secret(stringData={"a": "text", "b": ""}, data={"a": ENCODED, "c": ENCODED})),
        get(f"{SECRET}/a"), post(SECRET, secret("empty")), get(f"{SECRET}/empty"),
        *(post(SECRET, secret("bad", data={"a": each})) for each in (
            "!", "YQ", "YQ==x", "YW=", "a b=", "YQ==\n", "YQ-_", "=", "", None, 3, "ä", "YR==")),
        post(SECRET, secret("keys", data={"a/b": ENCODED})), post(SECRET, secret("keys", data={"..": ""})),
        post(SECRET, secret("keys", data={".": ""})), post(SECRET, secret("keys", data={"..a": ""})),
        post(SECRET, secret("keys", data={"a" * 254: ""})), post(SECRET, secret("keys", data={"": ""})),
        post(SECRET, secret("text", stringData={"a": 1})),
        post(SECRET, secret("text", stringData={"a/b": "c"})),
        post(SECRET, secret("null", stringData={"a": None}, data={"b": None})), get(f"{SECRET}/null"),
        put(f"{SECRET}/a", secret(stringData={"d": "more"})), get(f"{SECRET}/a"),
        put(f"{SECRET}/a", secret(data={"a": ENCODED}, stringData={"d": "more"})),
        patch(f"{SECRET}/a", {"stringData": {"e": "e"}}),
        patch(f"{SECRET}/a", {"stringData": {"a": "changed"}}),
        patch(f"{SECRET}/a", {"data": {"a": None}}), patch(f"{SECRET}/a", {"data": {"a": "!"}}),
        patch(f"{SECRET}/a", {"data": {"x": ENCODED}}, STRATEGIC),
        patch(f"{SECRET}/a", {"data": {"x": "!"}}, STRATEGIC),
        patch(f"{SECRET}/a", [{"op": "add", "path": "/data/y", "value": ENCODED}], JSON),
        patch(f"{SECRET}/a", [{"op": "add", "path": "/data/y", "value": "!"}], JSON),
        get(f"{SECRET}/a"), get(SECRET), get(SECRET, TABLE),
        get(f"{SECRET}?watch=true&resourceVersion=0&timeoutSeconds=1&fieldSelector=metadata.name%3Da"),
        get(f"{SECRET}?fieldSelector=type%3DOpaque"), delete(f"{SECRET}/a"), get(f"{SECRET}/a"),
    ],
    "secrets: types": [
        post(SECRET, secret(type="Own")), patch(f"{SECRET}/a", {"type": "Other"}),
        patch(f"{SECRET}/a", {"type": None}), patch(f"{SECRET}/a", {"type": ""}),
        put(f"{SECRET}/a", secret()), put(f"{SECRET}/a", secret(type="Own")),
        post(SECRET, secret("b", type="")), put(f"{SECRET}/b", secret("b")),
        *(post(SECRET, secret("known", type=name)) for name in TYPES),
        *(post(SECRET, secret("known", type=name, data=dict.fromkeys(data, "")))
          for name, data in TYPES.items()),
        *(post(SECRET, secret(f"known{i}", type=name, data=data))
          for i, (name, data) in enumerate(TYPES.items())),
        post(SECRET, secret("known", type="kubernetes.io/dockercfg", data={".dockercfg": filled(3)})),
        post(SECRET, secret("known", type="kubernetes.io/dockerconfigjson",
                data={".dockerconfigjson": filled(3)})),
        post(SECRET, secret("known", type="kubernetes.io/basic-auth", data={"password": ENCODED})),
        post(SECRET, secret("known", type="kubernetes.io/service-account-token")),
        patch(f"{SECRET}/known0", {"data": None}),
    ],
    "secrets: immutable": [
        post(SECRET, secret(data={"a": ENCODED}, immutable=True)), patch(f"{SECRET}/a", {"immutable": False}),
        patch(f"{SECRET}/a", {"immutable": None}), patch(f"{SECRET}/a", {"data": {"a": filled(2)}}),
        patch(f"{SECRET}/a", {"stringData": {"a": "value"}}),
        patch(f"{SECRET}/a", {"stringData": {"a": "v"}}),
        patch(f"{SECRET}/a", {"metadata": {"labels": {"a": "b"}}}), put(f"{SECRET}/a", secret()),
        put(f"{SECRET}/a", secret(data={"b": ENCODED}, type="Other")),
        apply(f"{SECRET}/a", secret(data={"a": filled(2)}), force="true"), delete(f"{SECRET}/a"),
        post(SECRET, secret("b", immutable=False)), patch(f"{SECRET}/b", {"immutable": True}),
        patch(f"{SECRET}/b", {"data": {"a": ENCODED}}), get(f"{SECRET}/b"),
    ],
    "config maps: immutable": [
        post(CM, config_map(a="1") | {"immutable": True, "binaryData": {"b": ENCODED}}),
        patch(f"{CM}/a", {"immutable": False}), patch(f"{CM}/a", {"data": {"a": "2"}}),
        patch(f"{CM}/a", {"binaryData": {"b": filled(2)}}),
        patch(f"{CM}/a", {"metadata": {"labels": {"a": "b"}}}),
        put(f"{CM}/a", config_map(a="2")), patch(f"{CM}/a", {"data": None}), delete(f"{CM}/a"),
        post(CM, config_map("b") | {"binaryData": {"a": "!"}}),
        post(CM, config_map("b", a="1") | {"binaryData": {"a": ENCODED}}),
        post(CM, config_map("b") | {"data": {"..": "1"}}), post(CM, config_map("b") | {"data": {".": "1"}}),
        post(CM, config_map("c", **{"..a": "1"})), post(CM, config_map("d") | {"immutable": False}),
    ],
    "secrets and config maps: sizes": [
        post(SECRET, secret("a", data={"a": filled(1 << 20)})),
        post(SECRET, secret("b", data={"a": filled((1 << 20) + 1)})),
        post(SECRET, secret("b", data={"a": filled(1 << 19), "b": filled((1 << 19) + 1)})),
        post(SECRET, secret("b", stringData={"a": "x" * ((1 << 20) + 1)})),
        patch(f"{SECRET}/a", {"data": {"b": filled(1)}}),
        post(CM, config_map("a", a="x" * (1 << 20))), post(CM, config_map("b", a="x" * ((1 << 20) + 1))),
        post(CM, config_map("b") | {"binaryData": {"a": filled((1 << 20) + 1)}}),
        post(CM, config_map("b", a="x") | {"binaryData": {"b": filled(1 << 20)}}),
        post(CM, config_map("c") | {"binaryData": {"b": filled(1 << 20)}}),
        delete(f"{SECRET}/a"), delete(f"{CM}/a"), delete(f"{CM}/c"),
    ],
    "secrets: apply": [
        *twice(f"{SECRET}/a", secret(data={"a": ENCODED})),
        *twice(f"{SECRET}/b", secret("b", stringData={"a": "x"})),
        apply(f"{SECRET}/b", secret("b", stringData={"a": "y"})), get(f"{SECRET}/b"),
        apply(f"{SECRET}/b", secret("b", stringData={"b": "y"})),
        apply(f"{SECRET}/b", secret("b", data={"a": ENCODED})),
        apply(f"{SECRET}/b", secret("b", data={"a": ENCODED}), "two"),
        apply(f"{SECRET}/b", secret("b", data={"a": filled(2)}), "two"),
        apply(f"{SECRET}/b", secret("b", stringData={"a": "two"}), "two"), get(f"{SECRET}/b"),
        apply(f"{SECRET}/b", secret("b", data={"a": "!"}), "one", force="true"),
        apply(f"{SECRET}/b", secret("b", type="Other")), apply(f"{SECRET}/c", secret("c", type="")),
        apply(f"{SECRET}/c", secret("c", data={}, stringData={}, immutable=False)),
        apply(f"{SECRET}/c", secret("c")), get(f"{SECRET}/c"),
    ],
    "empty fields: services": [
        *twice(f"{SVC}/a", service(publishNotReadyAddresses=False)),
        apply(f"{SVC}/a", service()), apply(f"{SVC}/a", service(publishNotReadyAddresses=True), "two"),
        apply(f"{SVC}/a", service(publishNotReadyAddresses=False)),
        apply(f"{SVC}/a", service(publishNotReadyAddresses=False), force="true"), get(f"{SVC}/a"),
        *twice(f"{SVC}/b", service("b", publishNotReadyAddresses=False, externalName="", externalIPs=[],
                loadBalancerSourceRanges=[], sessionAffinity="", type="",
                healthCheckNodePort=0, selector={})),
        *twice(f"{SVC}/c", service("c", ports=[{"port": 80, "name": "", "nodePort": 0, "targetPort": 0,
                "protocol": "TCP"}], clusterIP="None")),
        patch(f"{SVC}/c", {"spec": {"publishNotReadyAddresses": False}}),
        put(f"{SVC}/a", service(publishNotReadyAddresses=False)), get(f"{SVC}/a"),
        *twice(f"{SVC}/d", service("d") | {"metadata": {"name": "d", "generateName": ""} | NO_METADATA}),
        *twice(f"{SVC}/e", service("e", clusterIP="None", publishNotReadyAddresses=True)),
        apply(f"{SVC}/e", service("e", clusterIP="None", publishNotReadyAddresses=False)), get(f"{SVC}/e"),
        apply(f"{SVC}/e", service("e", clusterIP="None", publishNotReadyAddresses=True)),
        apply(f"{SVC}/e", service("e", clusterIP="None")), get(f"{SVC}/e"),
    ],
    "empty fields: deployments": [
        *twice(f"{DEPLOY}/a", workload(EMPTY_CONTAINER, paused=False,
                minReadySeconds=0, revisionHistoryLimit=0)),
        apply(f"{DEPLOY}/a", workload({"resources": {"limits": {"cpu": "2x"}}})),
        apply(f"{DEPLOY}/a", workload({}, paused=False)), apply(f"{DEPLOY}/a", workload({})),
        apply(f"{DEPLOY}/a", workload({"args": [], "stdin": False}), "two"),
        apply(f"{DEPLOY}/a", workload({"args": ["-x"], "stdin": True}), "two"),
        apply(f"{DEPLOY}/a", workload({"args": [], "stdin": False}), "two"),
        apply(f"{DEPLOY}/a", workload({}), "two"), get(f"{DEPLOY}/a"),
        apply(f"{DEPLOY}/a", workload({}, paused=True)), apply(f"{DEPLOY}/a", workload({}, paused=False)),
        apply(f"{DEPLOY}/a", workload({"env": [{"name": "A", "value": ""}], "securityContext": {}})),
        *twice(f"{DEPLOY}/a", workload({"env": [{"name": "A", "value": ""}],
                "ports": [{"containerPort": 80, "hostPort": 0, "name": "", "hostIP": ""}],
                "livenessProbe": {"httpGet": {"port": 80, "host": "", "httpHeaders": []},
                        "initialDelaySeconds": 0, "periodSeconds": 0}})), get(f"{DEPLOY}/a"),
    ],
    "empty fields: pods": [
        *twice(f"{POD}/a", pod(hostNetwork=False, hostPID=False, volumes=[], tolerations=[], nodeSelector={},
                nodeName="", subdomain="", imagePullSecrets=[], initContainers=[], hostAliases=[],
                containers=[one("c", **EMPTY_CONTAINER)])),
    ],
    "empty fields: budgets": [
        *twice(f"{PDB}/a", budget(minAvailable=0, unhealthyPodEvictionPolicy="AlwaysAllow")),
        apply(f"{PDB}/a", budget(maxUnavailable=0)), apply(f"{PDB}/a", budget(minAvailable=0)),
        get(f"{PDB}/a"),
    ],
    "empty fields: config maps": [
        *twice(f"{CM}/a", config_map() | {"binaryData": {}}), *twice(f"{CM}/b", config_map("b", a="")),
        *twice(f"{CM}/c", config_map("c") | {"immutable": False}),
        patch(f"{CM}/c", {"data": {}, "binaryData": {}}, MERGE), get(f"{CM}/c"),
        *twice(f"{CM}/d", config_map("d") | {"metadata": {"name": "d"} | NO_METADATA}),
    ],
}  # fmt: skip

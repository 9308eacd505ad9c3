"""The state of a namespace without names of pods, UIDs, revisions and times, so that two runs can be
compared.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spiko_local.home import start_time
from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT

Object = dict[str, Any]
HISTORY = (
    "configurationCounter",
    "identities",
)  # earlier versions; identities are compared where both have them
# Conditions that appear with the first requests of a source.
DEPENDS_ON_TRAFFIC = ("Serving", "Exporting")
LABELS = ("spiko.dev/tier", "spiko.dev/version", "spiko.dev/region", "spiko.dev/zone")
KINDS = "architectures,configmaps,deployments,poddisruptionbudgets,replicasets,services,pods"


def read_normal_form(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """Return everything in a namespace by kind and name, and the discovered graph of each Architecture."""
    found: dict[str, Any] = {}
    pods: Counter[str] = Counter()
    sets: Counter[str] = Counter()
    for body in cluster.items(KINDS, namespace):
        kind, name = body["kind"], body["metadata"]["name"]
        if kind == "Pod":
            pods[_pod(body)] += 1
        elif kind == "ReplicaSet":
            sets[
                f"{body['metadata']['ownerReferences'][0]['name']} {body['status'].get('readyReplicas', 0)}"
            ] += 1
        elif name != "kube-root-ca.crt":
            found[f"{kind} {name}"] = json.loads(
                json.dumps(_NORMAL[kind](body)).replace(f'"{namespace}"', '"NAMESPACE"')
            )
        if kind == "Architecture":
            found[f"graph of {name}"] = discovered_graph(cluster, name, namespace)
    return found | {"pods": dict(pods), "replica sets with ready pods": dict(sets)}


def _architecture(body: Object) -> Object:
    status = body.get("status", {})
    conditions = {
        c["type"]: [c["status"], c["reason"]]
        for c in status.get("conditions", ())
        if c["type"] not in DEPENDS_ON_TRAFFIC
    }
    return {
        "spec": body["spec"],
        "conditions": conditions,
        **{key: status.get(key) for key in ("scale", "summary", "regions", "notReady")},
    }


def _owned(body: Object) -> Object:
    metadata = body["metadata"]
    # The signature differs, since each operator has a key of its own, and with it the digest.
    copy = metadata.get("annotations", {}).get("spiko.dev/topology")
    annotations = {"topology": json.loads(copy)["topology"]} if copy else {}
    owners = [[owner["kind"], owner["name"]] for owner in metadata.get("ownerReferences", ())]
    return {"labels": metadata.get("labels"), "annotations": annotations, "owners": owners}


def _with_spec(body: Object) -> Object:
    return {"spec": body["spec"], **_owned(body)}


def _deployment(body: Object) -> Object:
    counts = {key: body["status"].get(key, 0) for key in ("replicas", "readyReplicas", "updatedReplicas")}
    return _with_spec(body) | {"status": counts}


def _budget(body: Object) -> Object:
    status = body.get("status", {})
    keys = ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")
    return _with_spec(body) | {"status": {key: status.get(key) for key in keys}}


def _state(body: Object) -> Object:
    data = body["data"]
    state = json.loads(data["state.json"])
    accepted = json.loads(zlib.decompress(base64.b64decode(data["accepted-spec"])))
    plain = {key: value for key, value in state.items() if key not in HISTORY}
    return {
        "format": data["format"],
        "accepted": accepted,
        "identities": state["identities"],
        **plain,
        **_owned(body),
    }


_NORMAL = {
    "Architecture": _architecture,
    "ConfigMap": _state,
    "Deployment": _deployment,
    "PodDisruptionBudget": _budget,
    "Service": _with_spec,
}


def _pod(body: Object) -> str:
    """Return the place, identity and readiness of a pod, without its name."""
    labels = body["metadata"].get("labels", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in body["status"].get("conditions", ()))
    ending = " ending" if body["metadata"].get("deletionTimestamp") else ""
    words = [labels.get("spiko.dev/architecture", "?"), *(labels.get(key, "*") for key in LABELS)]
    return " ".join([*words, "Ready" if ready else "not Ready"]) + ending


def _sorted_graph(graph: Object) -> Object:
    return {
        "nodes": {node["name"]: "there" for node in graph["nodes"]},
        "edges": {f"{edge['source']} -> {edge['target']}": "there" for edge in graph["edges"]},
    }


def discovered_graph(cluster: Cluster, name: str, namespace: str) -> Object:
    """Return the graph that callers have acknowledged."""
    return _sorted_graph(json.loads(cluster.spiko("graph", name, "-n", namespace, "--json").stdout))


def predicted_graph(cluster: Cluster, manifest: Object) -> Object:
    """Return the graph that follows from a manifest and the nodes of `spiko up`."""
    nodes = str(ROOT / "kind-config.yaml")
    done = cluster.spiko("graph", "-f", "-", "--nodes", nodes, "--json", stdin=json.dumps(manifest))
    return _sorted_graph(json.loads(done.stdout))


def find_differences(expected: Any, actual: Any, path: str = "") -> list[str]:
    """Where two normal forms differ, one line each; identities of versions that are gone are history, not a
    difference.

    >>> find_differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}})
    ['/a/b: 1, but 3', '/c: 2, but nothing']
    """
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        keys = sorted({*expected} | ({*actual} if not path.endswith("/identities") else set()))
        return [
            line
            for key in keys
            for line in find_differences(
                expected.get(key, "nothing"), actual.get(key, "nothing"), f"{path}/{key}"
            )
        ]
    return [] if expected == actual else [f"{path}: {_short(expected)}, but {_short(actual)}"]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 300 else f"{text[:300]}..."


def find_strays(cluster: Cluster) -> list[str]:
    """Return processes without a parent in the cluster, and pods and processes that do not match."""
    state = json.loads((cluster.home / "state.json").read_text())
    records = [json.loads(path.read_text()) for path in (cluster.home / "kubelet" / "pods").glob("*.json")]
    warm = find_warm_parents(cluster)
    known = {
        state["pid"],
        *(part["pid"] for part in state["parts"]),
        *(record["pid"] for record in records),
        *warm,
    }
    lines = [
        f"process {pid} has no pod: it writes to {_output(pid)}"
        for pid in cluster.processes()
        if pid not in known
    ]
    lines += [f"{len(warm)} warm parents: {warm}"] if len(warm) > 1 else []
    pods = {
        pod["metadata"]["uid"]: pod["metadata"]["name"]
        for pod in json.loads(cluster.kubectl("get", "pods", "-A", "-o", "json").stdout)["items"]
    }
    named = {record["uid"]: record["name"] for record in records}
    lines += [f"pod {pods[uid]} is unknown to the kubelet" for uid in pods.keys() - named.keys()]
    lines += [f"pod {named[uid]} is known to the kubelet only" for uid in named.keys() - pods.keys()]
    return lines + [
        f"pod {record['name']}: its process {record['pid']} is dead"
        for record in records
        if not record["pid"] or start_time(record["pid"]) != record["began"]
    ]


def find_warm_parents(cluster: Cluster) -> list[int]:
    """Return the prefork templates: their output is a log of that name, and their
    children have other logs.
    """
    log = str(cluster.home / "kubelet" / "zygote.log")
    return [pid for pid in cluster.processes() if _output(pid) == log]


def _output(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/fd/1").readlink())
    except OSError:
        return ""

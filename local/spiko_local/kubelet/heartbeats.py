"""Keeps Node objects alive: creates and labels them, renews their leases and writes their status.

The lease is renewed every 10 s. The status is written every 5 min, and at once when the node is not marked
Ready.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform

from spiko_local.api_client import MERGE_PATCH, STRATEGIC_MERGE_PATCH, ApiClient
from spiko_local.errors import ApiError
from spiko_local.nodes import Node
from spiko_local.objects import Object, has_condition, labels_of
from spiko_local.timestamps import now_micro_text, now_text

LEASE_S, RENEW_S = 40, 10.0
STATUS_S = 300.0
PORT = 10250
MAX_PODS = 1000
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())  # as Go names it
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
log = logging.getLogger("spiko.kubelet")


def build_node(node: Node) -> Object:
    """Return the Node object without its status, which is written separately."""
    labels = {"kubernetes.io/hostname": node.name} | {
        f"{prefix}kubernetes.io/{name}": value
        for prefix in ("", "beta.")
        for name, value in (("os", "linux"), ("arch", ARCH))
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels | node.labels},
        "spec": {"providerID": f"process://{node.name}"},
    }


def build_node_status(node: Node, now: str, version: str) -> Object:
    """Return the node's status.

    Args:
        node: of the configuration.
        now: RFC 3339.
        version: reported as the kubelet's.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    amounts = {"cpu": str(os.cpu_count() or 1), "memory": f"{memory}Ki", "pods": str(MAX_PODS)}
    conditions = [
        _condition("Ready", "True", "KubeletReady", "the process kubelet is ready", now),
        _condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "not measured", now),
        _condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "not measured", now),
        _condition("PIDPressure", "False", "KubeletHasSufficientPID", "not measured", now),
    ]
    return {
        "capacity": amounts,
        "allocatable": amounts,
        "addresses": [
            {"type": "InternalIP", "address": node.address},
            {"type": "Hostname", "address": node.name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": PORT}},
        "declaredFeatures": ["ExtendWebSocketsToKubelet"],  # without it the API server uses SPDY
        "conditions": conditions,
        "nodeInfo": {
            "architecture": ARCH,
            "bootID": "",
            "containerRuntimeVersion": "process://1",
            "kernelVersion": platform.release(),
            "kubeProxyVersion": "",
            "kubeletVersion": version,
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "processes",
            "systemUUID": "",
        },
    }


def _condition(kind: str, status: str, reason: str, message: str, now: str) -> Object:
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    return {"type": kind, "status": status, "reason": reason, "message": message, **times}


async def keep_node(api: ApiClient, node: Node, renew_s: float = RENEW_S) -> None:
    """Keep one node alive until cancelled.

    Args:
        api: an open client.
        node: of the configuration.
        renew_s: seconds between renewals of its lease.
    """
    loop = asyncio.get_running_loop()
    status_due = 0.0
    while True:
        try:
            # The node controller may have marked the node after leases that it missed but that were written.
            if loop.time() >= status_due or not await _is_ready(api, node):
                await _write_node(api, node)
                status_due = loop.time() + STATUS_S
            await _renew(api, node)
        except ApiError as error:
            log.warning("node %s: %s", node.name, error)
            status_due = 0.0  # the node may have been marked during the interruption
            await asyncio.sleep(1.0)
        else:
            await asyncio.sleep(renew_s)


async def _is_ready(api: ApiClient, node: Node) -> bool:
    try:
        found = await api.call("GET", f"/api/v1/nodes/{node.name}")
    except ApiError as error:
        if error.status != 404:
            raise
        return False
    return has_condition(found, "Ready")


async def _write_node(api: ApiClient, node: Node) -> None:
    version = (await api.call("GET", "/version"))["gitVersion"]
    await _create_or_label(api, build_node(node))
    status = {"status": build_node_status(node, now_text(), version)}
    await api.call("PATCH", f"/api/v1/nodes/{node.name}/status", status, STRATEGIC_MERGE_PATCH)


async def _create_or_label(api: ApiClient, body: Object) -> None:
    """Create the Node, or add the labels that it lacks; an unchanged node costs no write."""
    name, labels = body["metadata"]["name"], body["metadata"]["labels"]
    try:
        found = await api.call("GET", f"/api/v1/nodes/{name}")
    except ApiError as error:
        if error.status != 404:
            raise
        await api.call("POST", "/api/v1/nodes", body)
        return
    if not labels.items() <= labels_of(found).items():
        patch = {"metadata": {"labels": labels}}
        await api.call("PATCH", f"/api/v1/nodes/{name}", patch, MERGE_PATCH)


async def _renew(api: ApiClient, node: Node) -> None:
    spec = {"holderIdentity": node.name, "leaseDurationSeconds": LEASE_S, "renewTime": now_micro_text()}
    try:
        await api.call("PATCH", f"{LEASES}/{node.name}", {"spec": spec}, MERGE_PATCH)
    except ApiError as error:
        if error.status != 404:
            raise
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": node.name},
            "spec": spec,
        }
        await api.call("POST", LEASES, lease)

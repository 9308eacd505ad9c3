"""kubectl's requests to a node, through the API server."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import ssl
import subprocess
import urllib.request

import aiohttp
import pytest

from tests.support.architectures import shop
from tests.support.local_cluster import Cluster

pytestmark = pytest.mark.e2e


def pod(name: str, image: str = "spiko/nanoservice:0.1.0", **container: object) -> dict[str, object]:
    """Return a pod without an owner."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": image, **container}],
        },
    }


def test_logs_exec_and_port_forward(cluster: Cluster, namespace: str) -> None:
    """Given a pod of a tier, then kubectl logs [-f, --tail], exec [-i, exit codes] and port-forward work."""
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    name = cluster.items("pods", namespace, "spiko.dev/tier=db")[0]["metadata"]["name"]

    assert "listens on" in cluster.kubectl("logs", "-n", namespace, name).stdout
    assert len(cluster.kubectl("logs", "-n", namespace, name, "--tail=1").stdout.splitlines()) == 1
    lines = cluster.kubectl("logs", "-n", namespace, name).stdout
    assert lines == cluster.kubectl("logs", "-n", namespace, name, "--since=1h").stdout
    assert "" == cluster.kubectl("logs", "-n", namespace, name, "--since-time=2100-01-01T00:00:00Z").stdout
    assert lines[:9] == cluster.kubectl("logs", "-n", namespace, name, "--limit-bytes=9").stdout
    stamped = cluster.kubectl("logs", "-n", namespace, name, "--timestamps", "--tail=1").stdout
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ", stamped), stamped
    assert (
        cluster.kubectl("exec", "-n", namespace, name, "--", "sh", "-c", "echo $SPIKO_TIER").stdout.strip()
        == "db"
    )
    assert (
        cluster.kubectl("exec", "-n", namespace, name, "--", "sh", "-c", "exit 7", check=False).returncode
        == 7
    )
    assert cluster.kubectl("exec", "-i", "-n", namespace, name, "--", "cat", stdin="in").stdout == "in"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [cluster.kubectl_path, "port-forward", "-n", namespace, f"pod/{name}", f"{port}:8080"]
    forward = subprocess.Popen(command, env=cluster.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert forward.stdout is not None
        forward.stdout.readline()
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/k/why%3F", timeout=5) as reply:
                assert reply.read() == b"because..."
    finally:
        forward.kill()
        forward.communicate()


async def test_port_forward_over_channels(cluster: Cluster, namespace: str) -> None:
    """Given the port-forward protocol of client libraries (not that of kubectl), then data passes, and a port
    without a listener reports an error.
    """
    cluster.apply(shop(), namespace)
    cluster.until_settled("shop", namespace)
    name = cluster.items("pods", namespace, "spiko.dev/tier=db")[0]["metadata"]["name"]
    config = json.loads((cluster.home / "kubeconfig").read_text())
    entry = config["clusters"][0]["cluster"]
    trust = ssl.create_default_context(cadata=base64.b64decode(entry["certificate-authority-data"]).decode())
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    url = f"{entry['server']}/api/v1/namespaces/{namespace}/pods/{name}/portforward?ports=8080&ports=1"
    received = dict.fromkeys(range(4), b"")

    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(url, ssl=trust, protocols=["v4.channel.k8s.io"]) as link,
    ):
        await link.send_bytes(b"\x00GET /k/why%3F HTTP/1.1\r\nHost: db\r\nConnection: close\r\n\r\n")
        async for message in link:
            received[message.data[0]] += message.data[1:]
    await asyncio.sleep(0.3)  # aiohttp closes TLS connections asynchronously

    assert [(8080).to_bytes(2, "little")] * 2 + [(1).to_bytes(2, "little")] * 2 == [
        each[:2] for each in received.values()
    ]
    assert received[0].endswith(b"because...")
    assert b"cannot connect" in received[3]


def test_foreign_image_is_reported(cluster: Cluster, namespace: str) -> None:
    """Given the image nginx, then the pod has ErrImagePull with a message that has
    the image and the remedy.
    """
    cluster.apply(pod("web", "nginx:1.25"), namespace)

    def waiting() -> dict[str, str]:
        statuses = cluster.get("pod", "web", namespace)["status"].get("containerStatuses") or [{}]
        found: dict[str, str] = statuses[0].get("state", {}).get("waiting", {})
        return found

    cluster.until("ErrImagePull", lambda: waiting().get("reason") == "ErrImagePull")
    assert 'image "nginx:1.25"' in waiting()["message"]
    assert "use kind" in waiting()["message"]


def test_a_crashing_container_backs_off(cluster: Cluster, namespace: str) -> None:
    """Given a container that exits with code 3, then it is restarted, then in CrashLoopBackOff, with the code
    and the previous log.
    """
    cluster.apply(pod("crash", command=["sh", "-c", "echo last words; exit 3"]), namespace)

    def state() -> dict[str, object]:
        statuses = cluster.get("pod", "crash", namespace)["status"].get("containerStatuses") or [{}]
        found: dict[str, object] = statuses[0]
        return found

    cluster.until("back-off", lambda: "CrashLoopBackOff" in json.dumps(state().get("state")))
    assert int(str(state()["restartCount"])) >= 1
    assert '"exitCode": 3' in json.dumps(state()["lastState"])
    assert "last words" in cluster.kubectl("logs", "-n", namespace, "crash", "--previous").stdout


def test_container_is_killed_after_its_grace_period(cluster: Cluster, namespace: str) -> None:
    """Given a container that ignores SIGTERM, then it is killed after its grace period."""
    cluster.apply(pod("deaf", command=["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]), namespace)
    cluster.until("running", lambda: cluster.get("pod", "deaf", namespace)["status"]["phase"] == "Running")
    cluster.kubectl("delete", "pod", "deaf", "-n", namespace, "--timeout=10s")

    assert cluster.get("pod", "deaf", namespace) == {}


def test_a_secret_volume_follows_its_secret(cluster: Cluster, namespace: str) -> None:
    """Given a pod with a Secret volume, then it starts once the Secret exists and reads changes without a
    restart, also those made after the kubelet was killed.
    """
    body = pod("keyed", command=["sleep", "600"])
    body["spec"] |= {"volumes": [{"name": "keys", "secret": {"secretName": "keys"}}]}  # type: ignore[operator]
    mount = {"name": "keys", "mountPath": "/var/run/keys", "readOnly": True}
    body["spec"]["containers"][0]["volumeMounts"] = [mount]  # type: ignore[index]
    cluster.apply(body, namespace)
    text = 'MountVolume.SetUp failed for volume "keys" : secret "keys" not found'
    cluster.until("FailedMount", lambda: text in cluster.kubectl("events", "-n", namespace).stdout)
    waiting = cluster.get("pod", "keyed", namespace)["status"]["containerStatuses"][0]["state"]["waiting"]
    cluster.kubectl("create", "secret", "generic", "keys", "-n", namespace, "--from-literal=join=one")

    def read() -> str:
        command = ("sh", "-c", "cat $SPIKO_VOLUMES_ROOT/var/run/keys/join")
        return cluster.kubectl("exec", "-n", namespace, "keyed", "--", *command, check=False).stdout

    cluster.until("the first content", lambda: read() == "one")
    assert "ContainerCreating" == waiting["reason"]
    for content in ("two", "three"):
        patch = json.dumps({"stringData": {"join": content}})
        cluster.kubectl("patch", "secret", "keys", "-n", namespace, "-p", patch)
        cluster.until(content, lambda content=content: read() == content)  # type: ignore[misc]
        cluster.kill("kubelet")
    assert 0 == cluster.get("pod", "keyed", namespace)["status"]["containerStatuses"][0]["restartCount"]


def test_nodes_and_zones_are_those_of_the_file(cluster: Cluster) -> None:
    """Given the file of nodes, then kubectl get nodes lists three Ready workers in three zones."""
    rows = cluster.kubectl("get", "nodes", "--no-headers", "-L", "topology.kubernetes.io/zone").stdout.split(
        "\n"
    )
    assert {"us-east-1a", "us-east-1b", "us-east-1c"} == {row.split()[-1] for row in rows if row}
    assert {"Ready"} == {row.split()[1] for row in rows if row}

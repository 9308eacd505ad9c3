"""Eurekas through the pod proxy of the API server, as an operator or command outside the cluster connects to
them.
"""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from aiohttp import web

from spiko_nanoservice.contract.handshake import Purpose
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.sockets import Endpoint, Sockets
from spiko_operator.eureka_urls import Reacher
from tests.support.keys import KEYS, admit
from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.real,  # forwarding of WebSockets, and to which addresses, is that of Kubernetes
    pytest.mark.timeout(120),
]


def outer_address() -> str:
    """Return an address of this machine that is not a loopback address, to which the API server forwards."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # UDP: no packet is sent
        except OSError:
            pytest.skip(
                "this machine has loopback addresses only; `ip addr add 10.77.0.1/32 dev lo` gives it another"
            )
        return str(probe.getsockname()[0])


def test_loopback_address_is_refused_with_a_remedy(cluster: Cluster, namespace: str) -> None:
    """Given pods on 127.*, when the proxy is used, then the message has pod, reason and remedy, and the exit
    code is 1.
    """
    cluster.apply((ROOT / "examples" / "lamp.yaml").read_text(), namespace)
    cluster.until_settled("lamp", namespace)
    done = cluster.spiko("top", "lamp", "-n", namespace, "--once", "--reach", "proxy", check=False)

    assert (1, "") == (done.returncode, done.stdout)
    assert 'eureka "lamp-eureka-z' in done.stderr
    assert "does not answer (proxy): GET /api/v1/namespaces/" in done.stderr
    assert "400: address not allowed; try --reach direct" in done.stderr


async def test_websocket_is_forwarded_with_credentials(cluster: Cluster, namespace: str) -> None:
    """Given a pod at another address with a WebSocket server, then a socket opens through the API server and
    receives messages.
    """
    address = outer_address()
    spec = {"nodeName": "unknown", "containers": [{"name": "a", "image": "a"}]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "far"}, "spec": spec}, namespace)
    patch = json.dumps({"status": {"podIP": address, "podIPs": [{"ip": address}], "phase": "Running"}})
    cluster.kubectl(
        "patch", "pod", "far", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch
    )
    application = web.Application()
    application.router.add_get("/control", _hello)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, address, 7070).start()
    client = await Client.connect(str(cluster.home / "kubeconfig"))
    sockets = Sockets(client)
    url = Reacher("proxy", client.server).url(namespace, "far", "", "/control", web_socket=True)
    try:
        endpoint = Endpoint(url, address, Purpose.CONTROL, KEYS["control"])
        async with asyncio.timeout(10), sockets.open(endpoint, 1_000) as stream:
            heard = await stream.receive_str()
    finally:
        await sockets.close()
        await client.close()
        await runner.cleanup()

    assert "hello from /control" == heard


async def _hello(request: web.Request) -> web.WebSocketResponse:
    stream = web.WebSocketResponse()
    await stream.prepare(request)
    await admit(stream, Purpose.CONTROL, outer_address())
    await stream.send_str(f"hello from {request.path}")
    async for _ in stream:
        pass
    return stream

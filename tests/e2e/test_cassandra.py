"""Cassandra in a cluster: its rings grow and shrink under traffic."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
import yaml

from spiko_nanoservice.contract.handshake import EpochKey
from tests.support.eureka_reader import read_eureka, read_keys
from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT
from tests.support.totals import total_errors

pytestmark = pytest.mark.e2e


class Client(threading.Thread):
    """Writes and reads in the ring of one zone, at random registered nodes."""

    def __init__(self, keys: tuple[EpochKey, ...], eureka: str, seed: int) -> None:
        super().__init__(daemon=True)
        self._keys, self._eureka, self._random = keys, eureka, Random(seed)
        self._nodes: list[str] = []
        self._asked_at = 0.0
        self.acknowledged: list[str] = []
        self.missed: list[str] = []
        self.failed: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        """Write and read until stopped."""
        for number in itertools.count():
            if self.over.is_set():
                return
            key = f"key{number}"
            status, reason = self.ask("PUT", key)
            if status == 200:
                self.acknowledged.append(key)
            else:
                self.failed.append(f"PUT {key}: {status} {reason}")
            if self.acknowledged:
                self.read(self._random.choice(self.acknowledged))
            time.sleep(0.04)  # rate: 50 requests per second

    def read(self, key: str) -> None:
        """Read one acknowledged key."""
        status, reason = self.ask("GET", key)
        if status == 404:
            self.missed.append(key)
        elif status != 200:
            self.failed.append(f"GET {key}: {status} {reason}")

    def ask(self, method: str, key: str) -> tuple[int, str]:
        """Send a request to one node; a node that does not answer is skipped, as
        callers do a moment later.
        """
        for _ in range(5):
            connection = http.client.HTTPConnection(self._node(), 8080, timeout=5)
            try:
                connection.request(method, f"/k/{key}", body=b"me" if method == "PUT" else None)
                reply = connection.getresponse()
                reply.read()
            except OSError:
                self._asked_at = 0.0
                continue
            finally:
                connection.close()
            return reply.status, reply.headers.get("spiko-reason", "")
        return 0, "no answer"

    def _node(self) -> str:
        if time.monotonic() > self._asked_at + 0.2:
            self._nodes = [
                n["address"] for n in nodes_of(self._keys, self._eureka) if n["tier"] == "cassandra"
            ]
            self._asked_at = time.monotonic()
        return self._random.choice(self._nodes)


def nodes_of(keys: tuple[EpochKey, ...], eureka: str) -> list[dict[str, Any]]:
    """Return the nodes that are registered at a eureka."""
    found: list[dict[str, Any]] = read_eureka(keys, eureka, "edges")["nodes"]
    return found


@contextmanager
def clients(keys: tuple[EpochKey, ...], eurekas: list[str]) -> Iterator[list[Client]]:
    """Yield a client for each zone."""
    made = [Client(keys, eureka, seed) for seed, eureka in enumerate(eurekas)]
    for client in made:
        client.start()
    try:
        yield made
    finally:
        for client in made:
            client.over.set()
        for client in made:
            client.join(30)


@pytest.mark.long
def test_scaling_a_ring_under_traffic_loses_no_acknowledged_key(cluster: Cluster, namespace: str) -> None:
    """Given cassandra under traffic, when it is scaled to 200 % and back, then every acknowledged key can be
    read meanwhile and afterwards.
    """
    body = yaml.safe_load((ROOT / "examples" / "cassandra.yaml").read_text())
    for service in body["spec"]["services"]:
        service["count"] = {"app": 3, "proxy": 3, "restdata": 3}.get(service["name"], service["count"])
    body["spec"]["services"][-1]["load"] = {"ratePerSecond": 20}
    cluster.apply(body, namespace)
    cluster.until_settled("cassandra", namespace, 90)
    before = total_errors(cluster, namespace)
    eurekas = [pod["status"]["podIP"] for pod in cluster.items("pods", namespace, "spiko.dev/tier=eureka")]
    keys = read_keys(cluster, namespace)

    with clients(keys, eurekas) as zones:
        for percent, slots in ((200, {0, 1, 2, 3}), (100, {0, 1})):
            wanted = 40 + min(len(client.acknowledged) for client in zones)
            cluster.until("writes", lambda w=wanted: all(len(c.acknowledged) >= w for c in zones))  # type: ignore[misc]
            cluster.kubectl("scale", "arch", "cassandra", "-n", namespace, f"--replicas={percent}")
            cluster.until_settled("cassandra", namespace, 90)
            cluster.until("the slots", lambda s=slots: all(s == slots_at(keys, e) for e in eurekas))  # type: ignore[misc]

    for client in zones:
        for key in client.acknowledged:
            client.read(key)

    assert {} == before
    assert [] == [client.missed for client in zones if client.missed]
    assert [] == [client.failed for client in zones if client.failed]
    assert all(len(client.acknowledged) >= 80 for client in zones)


def slots_at(keys: tuple[EpochKey, ...], eureka: str) -> set[int]:
    """Return the slots of the ring in a eureka's zone."""
    return {n["slot"] for n in nodes_of(keys, eureka) if n["tier"] == "cassandra"}

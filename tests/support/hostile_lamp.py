"""Lamp under 100 requests/s while hostile clients attack every port of its cluster."""

from __future__ import annotations

import asyncio
import base64
import re
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from spiko_nanoservice.contract import Hello, decode
from spiko_nanoservice.contract.handshake import parse_keys
from tests.support.counters import read_counts, read_restarts
from tests.support.eureka_reader import read_all
from tests.support.hostile_clients import EUREKA_PORT, HostileClients, Loot, Target
from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT

LAMP = ROOT / "examples" / "lamp.yaml"
FIRST = ("www", "webserver-elb")
TIER_PORT, KUBELET_PORT = 8080, 10250
SAMPLE_EVERY_S = 5.0
_INTERNAL = re.compile(r"^spiko_internal_errors_total\{.*\} (\S+)$", re.MULTILINE)


@dataclass
class Outcome:
    """What was observed during the attacks.

    Attributes:
        requests: at the source.
        errors: at the source, by cause.
        restarts: of containers and components.
        unready: samples in which Ready was not True.
        internal_errors: of the eurekas.
        tracebacks: log files that have one.
        memory_kb: PSS by kind of process, a sample every few seconds.
        clients: the attackers.
        seconds: between the first and the last reading of the source.
    """

    clients: HostileClients
    requests: int = 0
    seconds: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    unready: int = 0
    internal_errors: int = 0
    tracebacks: list[str] = field(default_factory=list)
    memory_kb: dict[str, list[int]] = field(default_factory=dict)


def attack_lamp(cluster: Cluster, namespace: str, seconds: float, seed: int) -> Outcome:
    """Apply lamp, attack every port of the cluster for some seconds, and return what was observed."""
    cluster.kubectl("apply", "-n", namespace, "-f", str(LAMP))
    cluster.until_settled("lamp", namespace)
    cluster.until("requests", lambda: FIRST in read_counts(cluster, namespace, "lamp").edges)
    clients = HostileClients(seed, find_targets(cluster, namespace), find_loot(cluster, namespace))
    outcome = Outcome(clients)
    # The cluster is shared with other tests.
    restarts, broken = read_restarts(cluster, namespace), find_tracebacks(cluster.home)
    before, began = read_counts(cluster, namespace, "lamp").edges[FIRST], time.monotonic()
    failures: list[BaseException] = []
    attackers = threading.Thread(target=_attack, args=(clients, seconds, failures))
    attackers.start()
    while attackers.is_alive():
        _sample(cluster, namespace, outcome)
        attackers.join(SAMPLE_EVERY_S)
    assert not failures, failures
    after = read_counts(cluster, namespace, "lamp").edges[FIRST]
    outcome.requests, outcome.seconds = after.total - before.total, time.monotonic() - began
    outcome.errors = after.errors - before.errors
    outcome.restarts = read_restarts(cluster, namespace) - restarts
    outcome.internal_errors = _read_internal_errors(cluster, namespace)
    outcome.tracebacks = sorted(set(find_tracebacks(cluster.home)) - set(broken))
    return outcome


def _attack(clients: HostileClients, seconds: float, failures: list[BaseException]) -> None:
    try:
        asyncio.run(clients.run(seconds))
    except BaseException as error:  # noqa: BLE001  # the thread's end is reported by its starter
        failures.append(error)


def find_targets(cluster: Cluster, namespace: str) -> list[Target]:
    """Return every port of the cluster; those of lamp's pods first."""
    found = []
    for pod in cluster.items("pods", namespace):
        eureka = pod["metadata"]["labels"]["spiko.dev/tier"] == "eureka"
        found.append(Target(pod["status"]["podIP"], EUREKA_PORT if eureka else TIER_PORT))
    for node in cluster.items("nodes"):
        address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
        found.append(Target(address, KUBELET_PORT, tls=True))
    server = yaml.safe_load((cluster.home / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    found += [Target("127.0.0.1", int(server.rpartition(":")[2]), tls=True)] * 3
    known = {(target.address, target.port) for target in found}
    # The name service, and the operator's HTTP server.
    for address, port in find_listening(cluster.processes()):
        if (address, port) not in known:
            found += [Target(address, port)] * 3
    eurekas = [target for target in found if target.port == EUREKA_PORT]
    return found + eurekas * (len(found) // (2 * len(eurekas)))


def find_listening(pids: list[int]) -> list[tuple[str, int]]:
    """Return addresses and ports at which processes listen on IPv4."""
    inodes = set()
    for pid in pids:
        try:
            links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            address, _, port = fields[1].partition(":")
            parts = [str(part) for part in reversed(bytes.fromhex(address))]
            found.add((".".join(parts), int(port, 16)))
    return sorted(found)


def find_loot(cluster: Cluster, namespace: str) -> Loot:
    """Return lamp's keys and the registrations of its pods."""
    data = cluster.get("secret", "lamp-keys", namespace)["data"]
    keys = {name: parse_keys(base64.b64decode(text).decode()) for name, text in data.items()}
    edges = read_all(cluster, namespace, "edges", "spiko.dev/architecture=lamp")
    return Loot(keys, [decode(Hello, node) for eureka in edges for node in eureka["nodes"]])


def find_tracebacks(home: Path) -> list[str]:
    """Return the log files of a cluster that have a traceback."""
    logs = [path for path in home.rglob("*") if "log" in path.name or "logs" in path.parts]
    return sorted(str(p.relative_to(home)) for p in logs if p.is_file() and b"Traceback" in p.read_bytes())


def _sample(cluster: Cluster, namespace: str, outcome: Outcome) -> None:
    outcome.unready += cluster.condition("arch", "lamp", "Ready", namespace).get("status") != "True"
    sums: Counter[str] = Counter()
    pods = {pid: name for name, pid in cluster.pod_pids(namespace).items()}
    for pid in [*pods, *(cluster.pid(part) for part in ("apiserver", "kubelet", "operator"))]:
        name = pods.get(pid, "")
        kind = "pods of tiers" if name else ""
        kind = "eurekas" if "-eureka-" in name else kind
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                sums[kind or _part_name(pid)] += int(line.split()[1])
    for kind, size in sums.items():
        outcome.memory_kb.setdefault(kind, []).append(size)


def _part_name(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return command[command.index(b"-m") + 1].decode()


def _read_internal_errors(cluster: Cluster, namespace: str) -> int:
    total = 0.0
    for pod in cluster.items("pods", namespace, "spiko.dev/tier=eureka"):
        url = f"http://{pod['status']['podIP']}:{EUREKA_PORT}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            (count,) = _INTERNAL.findall(answer.read().decode())
        total += float(count)
    return int(total)

"""Kills of components and pods, and changes of Architectures, at random times; afterwards the state must be
that of an undisturbed run.

One thread kills, another one applies changes, with retries while the API server is down. Each has its own
random source, so that a seed determines both sequences; their interleaving is not deterministic.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from spiko_local.home import start_time
from tests.support.local_cluster import Cluster
from tests.support.normal_form import (
    find_differences,
    find_strays,
    find_warm_parents,
    predicted_graph,
    read_normal_form,
)
from tests.support.random_specs import DesiredSpec, choose_change

REAL_PARTS, OWN_PARTS = (
    ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    ("apiserver",),
)
OTHERS = ("operator", "kubelet", "warm parent", "eureka pod", "tier pod")
KILL_PAUSE_S, CHANGE_PAUSE_S = 2.5, 2.0  # mean; exponential, so that kills also fall into recoveries
RECREATE_RATIO = 0.1
APPLY_AGAIN_S, GIVE_UP_S = 0.5, 120.0
SETTLE_S, REST_S = 240.0, 2.0
_CONDITIONS = '{range .items[*]}{.metadata.name}: {.status.conditions[*].message}{"\\n"}{end}'


@dataclass
class Report:
    """What was done, how long the cluster took to settle, and the differences."""

    targets: tuple[str, ...]
    kills: Counter[str] = field(default_factory=Counter)
    down: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    settled_s: float = 0.0
    desired_specs: list[DesiredSpec] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def render(self) -> str:
        """Return the report as tables."""
        lines = [f"{'KILLED':<28}{'TIMES':>6}{'WAS DOWN':>10}"]
        lines += [f"{name:<28}{self.kills[name]:>6}{self.down[name]:>10}" for name in self.targets]
        lines += ["", f"{'CHANGED':<28}{'TIMES':>6}"]
        lines += [f"{name:<28}{count:>6}" for name, count in sorted(self.changes.items())]
        lines += ["", f"applied again, the API server being away: {self.retries} times"]
        lines += [
            f"settled {self.settled_s:.1f} s after the end of the killing",
            f"differences: {len(self.differences)}",
        ]
        return "\n".join([*lines, *(f"    {line}" for line in self.differences)])


def run_mayhem(
    cluster: Cluster, namespaces: tuple[str, str], names: Sequence[str], seconds: float, seed: int
) -> Report:
    """Kill and change for some seconds, then compare with a fresh apply.

    Args:
        cluster: running.
        namespaces: one to work in and one for the fresh copy; both exist and are empty.
        names: of Architectures.
        seconds: how long.
        seed: of all draws.
    """
    report = Report((*(REAL_PARTS if cluster.real else OWN_PARTS), *OTHERS))
    disturbed, fresh = namespaces
    for name in names:
        cluster.apply(DesiredSpec(name).manifest(), disturbed)
    stop = threading.Event()
    failures: list[BaseException] = []
    threads = [
        _start(failures, lambda: _kill(cluster, disturbed, Random(f"kill {seed}"), stop, report)),
        _start(failures, lambda: _change(cluster, disturbed, names, Random(f"change {seed}"), stop, report)),
    ]
    time.sleep(seconds)
    stop.set()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    report.settled_s = _settle(cluster, disturbed, report.desired_specs, began)
    for desired in report.desired_specs:
        cluster.apply(desired.manifest(), fresh)
    _settle(cluster, fresh, report.desired_specs, time.monotonic())
    report.differences = _compare(cluster, disturbed, fresh, report.desired_specs)
    return report


def _start(failures: list[BaseException], work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised again in the main thread
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


# -------------------------------------------------------------------- killing


def _kill(cluster: Cluster, namespace: str, random: Random, stop: threading.Event, report: Report) -> None:
    while not stop.wait(random.expovariate(1 / KILL_PAUSE_S)):
        target = random.choice(report.targets)
        pid = _find(cluster, namespace, target, random)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            report.kills[target] += 1
        else:
            report.down[target] += 1


def _find(cluster: Cluster, namespace: str, target: str, random: Random) -> int:
    """Return the pid of a running process, as the cluster records it; 0 if there is none now."""
    if target == "warm parent":
        return next(iter(find_warm_parents(cluster)), 0)
    if target.endswith(" pod"):
        paths = sorted((cluster.home / "kubelet" / "pods").glob("*.json"))
        records = [json.loads(path.read_text()) for path in paths if path.exists()]
        eureka = target == "eureka pod"
        living = [
            r["pid"]
            for r in records
            if r["namespace"] == namespace
            and ("-eureka-" in r["name"]) == eureka
            and r["pid"]
            and start_time(r["pid"]) == r["began"]
        ]
        return random.choice(living) if living else 0
    state = json.loads((cluster.home / "state.json").read_text())
    pid = int(next(part["pid"] for part in state["parts"] if part["name"] == target))
    return pid if pid in cluster.processes() else 0


# -------------------------------------------------------------------- changing


def _change(
    cluster: Cluster,
    namespace: str,
    names: Sequence[str],
    random: Random,
    stop: threading.Event,
    report: Report,
) -> None:
    desired_specs = {name: DesiredSpec(name) for name in names}
    while not stop.wait(random.expovariate(1 / CHANGE_PAUSE_S)):
        name = random.choice(list(names))
        if random.random() < RECREATE_RATIO:
            kind = "delete, create"
            _kubectl_until_accepted(
                cluster,
                ["delete", "arch", name, "-n", namespace, "--ignore-not-found", "--wait=false"],
                "",
                report,
            )
        else:
            kind, desired_specs[name] = choose_change(random, desired_specs[name])
        manifest = json.dumps(desired_specs[name].manifest())
        _kubectl_until_accepted(cluster, ["apply", "-n", namespace, "-f", "-"], manifest, report)
        report.changes[kind] += 1
    report.desired_specs = list(desired_specs.values())


def _kubectl_until_accepted(cluster: Cluster, arguments: list[str], stdin: str, report: Report) -> None:
    """Run kubectl until it succeeds."""
    end = time.monotonic() + GIVE_UP_S
    while True:
        done = cluster.kubectl(*arguments, "--request-timeout=5s", check=False, stdin=stdin)
        if done.returncode == 0:
            return
        assert time.monotonic() < end, f"kubectl {' '.join(arguments)}: {done.stderr}"
        report.retries += 1
        time.sleep(APPLY_AGAIN_S)


# -------------------------------------------------------------------- settling


def _settle(cluster: Cluster, namespace: str, desired_specs: Sequence[DesiredSpec], began: float) -> float:
    """Wait until all is Ready and nothing changes; return the seconds since `began`, without the time of that
    observation.
    """
    quiet_since = 0.0
    before: object = None

    def at_rest() -> bool:
        nonlocal quiet_since, before
        now = time.monotonic()
        seen = _versions(cluster, namespace, desired_specs)
        if seen is None or seen != before:
            before, quiet_since = seen, now
        return seen is not None and now - quiet_since >= REST_S

    try:
        cluster.until(f"{namespace} at rest", at_rest, SETTLE_S)
    except AssertionError as error:
        shown = cluster.kubectl(
            "get", "arch", "-n", namespace, "-o", f"jsonpath={_CONDITIONS}", check=False
        ).stdout
        raise AssertionError(f"{error}\n{shown}") from None
    return quiet_since - began


def _versions(cluster: Cluster, namespace: str, desired_specs: Sequence[DesiredSpec]) -> object:
    """Return the versions of all pods and Architectures; None while a change is in progress or a component is
    down.
    """
    done = cluster.kubectl("get", "arch,pods", "-n", namespace, "-o", "json", check=False)
    if done.returncode != 0:
        return None
    items = json.loads(done.stdout)["items"]
    if any(item["metadata"].get("deletionTimestamp") for item in items):
        return None
    architectures = [item for item in items if item["kind"] == "Architecture"]
    if {a["metadata"]["name"] for a in architectures} != {desired.name for desired in desired_specs}:
        return None
    for body in architectures:
        conditions = {c["type"]: c for c in body.get("status", {}).get("conditions") or ()}
        for kind in ("Accepted", "Ready", "Programmed"):
            found = conditions.get(kind, {})
            generation = body["metadata"]["generation"]
            if found.get("status") != "True" or found.get("observedGeneration") != generation:
                return None
    nodes = json.loads(cluster.spiko("status", "--json").stdout)["nodes"]
    if not nodes or not all(node["ready"] for node in nodes):
        return None
    return sorted((item["metadata"]["uid"], item["metadata"]["resourceVersion"]) for item in items)


def _compare(cluster: Cluster, disturbed: str, fresh: str, desired_specs: Sequence[DesiredSpec]) -> list[str]:
    expected, actual = read_normal_form(cluster, fresh), read_normal_form(cluster, disturbed)
    lines = find_differences(expected, actual)
    for desired in desired_specs:
        predicted = predicted_graph(cluster, desired.manifest())
        lines += find_differences(
            predicted, actual[f"graph of {desired.name}"], f"prediction of {desired.name}"
        )
    state = json.loads(cluster.spiko("status", "--json").stdout)
    lines += [f"part {part['name']} is not healthy" for part in state["parts"] if not part["healthy"]]
    lines += [f"node {node['name']} is not Ready" for node in state["nodes"] if not node["ready"]]
    return lines + find_strays(cluster)

"""Kills by every method, and the chaos monkey, on lamp under load."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.architectures import fault, shop
from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT
from tests.support.totals import total_errors

pytestmark = pytest.mark.e2e
Object = dict[str, Any]
WEB = "spiko.dev/tier=webserver"


@pytest.fixture(scope="module")
def lamp(cluster: Cluster) -> Iterator[str]:
    """The namespace of one lamp for all tests."""
    cluster.kubectl("create", "namespace", "chaos")
    cluster.kubectl("apply", "-n", "chaos", "-f", str(ROOT / "examples" / "lamp.yaml"))
    cluster.until_settled("lamp", "chaos", 60)
    yield "chaos"
    cluster.kubectl("delete", "namespace", "chaos", "--wait=false", check=False)


def run_fault(
    cluster: Cluster, namespace: str, name: str, deadline_s: int = 30, mode: str = "Enforce", **kill: Any
) -> Object:
    """Create a Fault on lamp, and return its status when it has ended and lamp is Ready again."""
    body = fault(name, "lamp", tier="webserver", **kill)
    body["spec"] |= {"startingDeadlineSeconds": deadline_s, "mode": mode}
    cluster.apply(body, namespace)
    cluster.until_true(name, "Ended", namespace, kind="fault")
    cluster.until_settled("lamp", namespace)
    status: Object = cluster.get("fault", name, namespace)["status"]
    return status


def reason(status: Object, kind: str) -> str:
    """Return the reason of a condition."""
    return str(next(c["reason"] for c in status["conditions"] if c["type"] == kind))


def restarts(cluster: Cluster, namespace: str) -> dict[str, int]:
    """Return the restart counts of the web servers."""
    pods = cluster.items("pods", namespace, WEB)
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}


def test_three_pods_are_deleted_and_replaced(cluster: Cluster, lamp: str) -> None:
    """Given count 3, then three web servers are deleted at once and replaced, callers notice, and the other
    fifteen stay.
    """
    before = cluster.uids(lamp, WEB)
    status = run_fault(cluster, lamp, "three", count=3, method="Delete", gracePeriodSeconds=0)
    after = cluster.uids(lamp, WEB)

    gone = {victim["pod"] for victim in status["victims"]}
    assert gone == before.keys() - after.keys()
    assert len(gone) == len({victim["replacedBy"] for victim in status["victims"]}) == 3
    assert {victim["replacedBy"] for victim in status["victims"]} == after.keys() - before.keys()
    assert reason(status, "Ended") == "EvidenceComplete"
    assert status["summary"].startswith("3 of 3 killed, noticed within ")
    assert all(victim["noticedMilliseconds"] <= 1000 for victim in status["victims"])


@pytest.mark.long
def test_percentage_of_a_zone_is_deleted(cluster: Cluster, lamp: str) -> None:
    """Given 50 percent of one zone with six pods, then three pods of that zone are deleted."""
    pods = cluster.items("pods", lamp, WEB)
    zone = min(pod["metadata"]["labels"]["spiko.dev/zone"] for pod in pods)
    before = cluster.uids(lamp, WEB)
    status = run_fault(cluster, lamp, "zone", percent=50, zone=zone, method="Delete", gracePeriodSeconds=0)

    assert len(before.keys() - cluster.uids(lamp, WEB).keys()) == 3
    assert [victim["place"].rpartition("/")[2] for victim in status["victims"]] == [zone] * 3


def test_crash_restarts_the_same_pods(cluster: Cluster, lamp: str) -> None:
    """Given a Crash of two pods, then both are restarted once in place after exit code 137, and the source
    sees a few errors at most.
    """
    before, counted = cluster.uids(lamp), restarts(cluster, lamp)
    errors = sum(total_errors(cluster, lamp).values())
    status = run_fault(cluster, lamp, "crash", count=2, method="Crash")
    failed = sum(total_errors(cluster, lamp).values()) - errors

    assert before == cluster.uids(lamp)
    crashed = {name for name, count in restarts(cluster, lamp).items() if count == counted[name] + 1}
    assert {victim["pod"] for victim in status["victims"]} == crashed
    assert len(crashed) == 2
    for victim in status["victims"]:
        pod = cluster.get("pod", victim["pod"], lamp)
        assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137
        assert victim["replacedBy"] == victim["pod"]
        assert victim["noticedMilliseconds"] <= 1000
    assert reason(status, "Ended") == "EvidenceComplete"
    assert failed <= 10


def test_dry_run_kills_no_pod(cluster: Cluster, lamp: str) -> None:
    """Given mode DryRun, then the status has victims, callers and evictions that the budget would refuse, and
    every pod and process stays.
    """
    before, pids = cluster.uids(lamp), cluster.pod_pids(lamp)
    status = run_fault(cluster, lamp, "dry", count=3, mode="DryRun")
    shown = cluster.kubectl("get", "faults", "-n", lamp).stdout

    assert (before, pids) == (cluster.uids(lamp), cluster.pod_pids(lamp))
    assert [None, "lamp-webserver", "lamp-webserver"] == [
        victim.get("refusedBy") for victim in status["victims"]
    ]
    assert {("Planned", 1)} == {(victim["state"], victim["callers"]) for victim in status["victims"]}
    assert "dry run: Evict of 3 of 18 ready pods: " in shown


@pytest.mark.long
def test_evictions_follow_one_after_another(cluster: Cluster, lamp: str) -> None:
    """Given three evictions and a budget of one, then all of them happen in time, never more than one web
    server is missing, and no request fails.
    """
    body = fault("evict", "lamp", tier="webserver", count=3)
    body["spec"]["startingDeadlineSeconds"] = 30
    cluster.apply(body, lamp)
    least = 18

    def ended() -> bool:
        nonlocal least
        least = min(least, sum(is_ready(pod) for pod in cluster.items("pods", lamp, WEB)))
        return bool(cluster.condition("fault", "evict", "Ended", lamp))

    cluster.until("the end", ended)
    status = cluster.get("fault", "evict", lamp)["status"]

    assert ["Killed"] * 3 == [victim["state"] for victim in status["victims"]]
    assert [0] * 3 == [victim["failedRequests"] for victim in status["victims"]]
    assert least >= 17


@pytest.mark.long
def test_example_faults_run(cluster: Cluster, lamp: str) -> None:
    """Given the example files, then half a zone is evicted, and then two pods crash."""
    for name, victims in (("kill-half-a-zone", 3), ("crash-webservers", 2)):
        cluster.kubectl("apply", "-n", lamp, "-f", str(ROOT / "examples" / f"{name}.yaml"))
        cluster.until_true(name, "Ended", lamp, kind="fault", seconds=60)
        status = cluster.get("fault", name, lamp)["status"]
        cluster.until_settled("lamp", lamp)

        assert ["Killed"] * victims == [victim["state"] for victim in status["victims"]]
        assert victims != 3 or {"us-east-1/us-east-1b"} == {victim["place"] for victim in status["victims"]}


def test_two_faults_of_one_apply_kill_different_pods(cluster: Cluster, lamp: str) -> None:
    """Given two Faults without a seed in one apply, each of half of the web servers, then each kills its own
    nine, and no pod is the victim of both.
    """
    bodies = [
        fault(f"half-{n}", "lamp", tier="webserver", count=9, method="Delete", gracePeriodSeconds=0)
        for n in (1, 2)
    ]
    for body in bodies:
        body["spec"]["startingDeadlineSeconds"] = 60
    before = cluster.uids(lamp, WEB)
    cluster.apply(manifest_list(*bodies), lamp)
    for body in bodies:
        cluster.until_true(body["metadata"]["name"], "Ended", lamp, kind="fault", seconds=60)
    cluster.until_settled("lamp", lamp)
    status = [cluster.get("fault", body["metadata"]["name"], lamp)["status"] for body in bodies]

    victims = [{victim["uid"] for victim in each["victims"]} for each in status]
    assert [9, 9] == [len(uids) for uids in victims]
    assert victims[0] | victims[1] == set(before.values())
    assert ["Killed"] * 18 == [victim["state"] for each in status for victim in each["victims"]]


def test_fault_beside_its_architecture_waits_until_it_is_ready(cluster: Cluster, namespace: str) -> None:
    """Given a Fault in one apply with its Architecture, then its victim is killed after the first Ready."""
    body = fault("early", "shop", tier="web", method="Delete")
    cluster.apply(manifest_list(shop(), body), namespace)
    reasons = set()
    while not (status := cluster.get("fault", "early", namespace).get("status", {})).get("victims"):
        reasons |= {c["reason"] for c in status.get("conditions", ()) if c["type"] == "Accepted"}
    cluster.until_true("early", "Ended", namespace, kind="fault", seconds=60)
    events = cluster.items("events.events.k8s.io", namespace)
    first = {r: min(e["eventTime"] for e in events if e["reason"] == r) for r in ("Ready", "Killed")}

    assert "ArchitectureNotReady" in reasons
    assert first["Ready"] <= first["Killed"]
    assert ["Killed"] == [v["state"] for v in cluster.get("fault", "early", namespace)["status"]["victims"]]


def manifest_list(*items: Object) -> Object:
    """Return a List, which `kubectl apply` takes as one file."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def is_ready(pod: Object) -> bool:
    """Whether a pod is Ready and not being deleted."""
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions") or ()}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


@pytest.mark.long
def test_operator_killed_between_record_and_kill(cluster: Cluster, namespace: str) -> None:
    """Given recorded victims that a budget protects, when the operator is killed, then the next one evicts
    exactly these victims once the budget allows it.
    """
    cluster.apply(shop(rate=0), namespace)
    cluster.until_settled("shop", namespace)
    frozen = next(pid for name, pid in cluster.pod_pids(namespace).items() if "-db-" in name)
    os.kill(frozen, signal.SIGSTOP)
    try:
        budget = "no disruption allowed"
        cluster.until(
            budget, lambda: cluster.get("pdb", "shop-db", namespace)["status"]["disruptionsAllowed"] == 0
        )
        before = cluster.uids(namespace)
        body = fault("later", "shop", tier="db")
        body["spec"]["startingDeadlineSeconds"] = 60
        cluster.apply(body, namespace)
        planned = cluster.until(
            "a victim", lambda: cluster.get("fault", "later", namespace).get("status", {}).get("victims")
        )
        cluster.kill("operator")
        assert before == cluster.uids(namespace)
    finally:
        os.kill(frozen, signal.SIGCONT)
    cluster.until_true("later", "Ended", namespace, kind="fault", seconds=60)
    (victim,) = cluster.get("fault", "later", namespace)["status"]["victims"]

    assert (planned[0]["uid"], "Planned") == (victim["uid"], planned[0]["state"])
    assert victim["state"] == "Killed"
    assert before.items() - cluster.uids(namespace).items() == {(victim["pod"], victim["uid"])}


def monkey(cluster: Cluster, namespace: str, **settings: Any) -> Object:
    """Change the settings of the monkey, and return its status."""
    patch = json.dumps({"spec": {"chaos": {"monkey": settings}}})
    cluster.kubectl("patch", "arch", "lamp", "-n", namespace, "--type=merge", "-p", patch)
    found: Object = chaos(cluster, namespace)
    return found


def chaos(cluster: Cluster, namespace: str) -> Object:
    """Return `status.chaos`."""
    found: Object = cluster.get("arch", "lamp", namespace)["status"].get("chaos", {})
    return found


@pytest.mark.long
def test_the_monkey_kills_with_evidence_until_it_is_switched_off(cluster: Cluster, lamp: str) -> None:
    """Given a mean of two seconds, then at least two pods are killed, counted and measured, also if the
    operator is killed; switched off, no pod is killed, and no setting restarts a pod.
    """
    before = cluster.uids(lamp)
    cluster.kubectl("apply", "-n", lamp, "-f", str(ROOT / "examples" / "lamp-monkey.yaml"))
    cluster.until("it is on", lambda: chaos(cluster, lamp).get("nextAt"))
    monkey(cluster, lamp, mode="Off", meanSeconds=2, minSeconds=1)
    cluster.until_settled("lamp", lamp)
    assert before == cluster.uids(lamp)
    monkey(cluster, lamp, mode="Enforce")
    cluster.until("a kill", lambda: chaos(cluster, lamp).get("kills", 0) >= 1)
    cluster.kill("operator")
    cluster.until("two kills with evidence", lambda: measured(chaos(cluster, lamp)) >= 2, 60)
    monkey(cluster, lamp, mode="Off")
    cluster.until("off", lambda: chaos(cluster, lamp).get("mode") == "Off")
    cluster.until("the last evidence", lambda: has_evidence(chaos(cluster, lamp)))
    cluster.until_settled("lamp", lamp)
    ended, after = chaos(cluster, lamp), cluster.uids(lamp)
    time.sleep(3)

    assert (ended, after) == (chaos(cluster, lamp), cluster.uids(lamp))
    uids = {kill["uid"] for kill in ended["recent"]}
    assert ended["kills"] == len(ended["recent"]) == len(uids)
    assert not uids & set(after.values())
    assert set(before.values()) - set(after.values()) <= uids
    assert {"webserver"} == {kill["tier"] for kill in ended["recent"]}
    assert len(after) == 23 + 3


def has_evidence(found: Object) -> bool:
    """Whether the evidence of all recent kills is complete, except for one that was
    lost with the operator.
    """
    assert measured(found) >= found["kills"] - 2, found
    return "replacedMilliseconds" in found["recent"][0]


def measured(found: Object) -> int:
    """Return the number of recent kills with evidence."""
    return sum(
        "replacedMilliseconds" in kill and "noticedMilliseconds" in kill for kill in found.get("recent", ())
    )


def test_events_report_victims_and_outcome(cluster: Cluster, namespace: str) -> None:
    """Given a Fault, then `kubectl describe fault` has events with the victims, each kill and the outcome."""
    cluster.apply(shop(rate=0), namespace)
    cluster.until_settled("shop", namespace)
    cluster.apply(fault("two", "shop", tier="web", count=2, method="Delete", gracePeriodSeconds=0), namespace)
    cluster.until_true("two", "Ended", namespace, kind="fault")
    shown = cluster.kubectl("describe", "fault", "two", "-n", namespace).stdout.partition("Events:")[2]

    assert [1, 2, 1] == [shown.count(f"  {word}  ") for word in ("Accepted", "Killed", "Ended")]
    assert "2 of 3 ready pods: shop-web-" in shown
    assert "2 of 2 killed, " in shown


KILLS: dict[str, tuple[Object, str]] = {
    "a tier": ({"tier": "web"}, ""),
    "a pod": ({"pod": "web-0", "method": "Delete", "gracePeriodSeconds": 0}, ""),
    "a scope and a count": ({"tier": "web", "version": "1.0.0", "region": "r", "zone": "z", "count": 32}, ""),
    "a percentage": ({"tier": "web", "percent": 100, "method": "Crash"}, ""),
    "neither tier nor pod": ({}, "kill must have exactly one of tier and pod"),
    "count and percent": (
        {"tier": "web", "count": 1, "percent": 1},
        "count and percent exclude each other: remove one",
    ),
    "a pod and a count": ({"pod": "web-0", "count": 1}, "give tier instead of pod, or remove them"),
    "a pod and a zone": ({"pod": "web-0", "zone": "z"}, "give tier instead of pod, or remove them"),
    "a crash with grace": (
        {"tier": "web", "method": "Crash", "gracePeriodSeconds": 0},
        "gracePeriodSeconds requires method: Delete",
    ),
    "an eviction with grace": (
        {"tier": "web", "gracePeriodSeconds": 0},
        "gracePeriodSeconds requires method: Delete",
    ),
    "a eureka that crashes": (
        {"tier": "eureka", "method": "Crash"},
        "use method: Delete with gracePeriodSeconds: 0",
    ),
    "a percent of 0": ({"tier": "web", "percent": 0}, "should be greater than or equal to 1"),
    "more than 100 percent": ({"tier": "web", "percent": 101}, "should be less than or equal to 100"),
    "too many": ({"tier": "web", "count": 33}, "should be less than or equal to 32"),
    "another method": ({"tier": "web", "method": "Kill"}, "Unsupported value"),
}


@pytest.mark.parametrize("name", KILLS)
def test_api_server_validates_kills(cluster: Cluster, name: str) -> None:
    """Given a kill, then the API server accepts it, or rejects it with a remedy."""
    kill, refusal = KILLS[name]
    body = json.dumps(fault("dry", "unknown", **kill))
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=body, check=False)

    assert (done.returncode == 0) == (not refusal), done.stderr
    assert refusal in done.stderr


def test_a_faults_mode_cannot_change(cluster: Cluster, namespace: str) -> None:
    """Given a dry run, when its mode is changed to Enforce, then the API server rejects the change."""
    body = fault("f", "unknown", tier="web")
    body["spec"]["mode"] = "DryRun"
    cluster.apply(body, namespace)
    done = cluster.kubectl(
        "patch",
        "fault",
        "f",
        "-n",
        namespace,
        "--type=merge",
        "-p",
        '{"spec":{"mode":"Enforce"}}',
        check=False,
    )

    assert "the spec of a Fault cannot change" in done.stderr


MONKEYS: dict[str, tuple[Object, str]] = {
    "no settings": ({}, ""),
    "all settings": ({"mode": "DryRun", "meanSeconds": 60, "minSeconds": 60, "seed": 1}, ""),
    "more than the mean": ({"meanSeconds": 60, "minSeconds": 61}, "minSeconds must not exceed meanSeconds"),
    "more than the default mean": ({"minSeconds": 301}, "minSeconds must not exceed meanSeconds"),
    "a mean of 0": ({"meanSeconds": 0}, "should be greater than or equal to 1"),
    "Off as YAML reads it": ({"mode": False}, "Invalid value"),
}


@pytest.mark.parametrize("name", MONKEYS)
def test_api_server_validates_monkeys(cluster: Cluster, name: str) -> None:
    """Given settings of the monkey, then the API server accepts them, or rejects them with a remedy."""
    settings, refusal = MONKEYS[name]
    body = json.dumps(shop(chaos={"monkey": settings}, victim="web"))
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=body, check=False)

    assert (done.returncode == 0) == (not refusal), done.stderr
    assert refusal in done.stderr

"""The kubelet's decisions: statuses, back-off, environment, probes, names, logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spiko_local.errors import NodesError
from spiko_local.kubelet.environment import ConfigError, build_environment, is_ours, unsupported
from spiko_local.kubelet.logs import tail_offset
from spiko_local.kubelet.pod_status import Container, Ended, Waiting, backoff_s, build_status, restarts
from spiko_local.kubelet.probes import Count, Probe
from spiko_local.kubelet.resolver import select
from spiko_local.nodes import parse_nodes, read_nodes

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
NOW = "2026-01-01T00:00:00Z"


def pod(policy: str = "Always", **status: Any) -> Object:
    """A pod with one container."""
    spec = {"restartPolicy": policy, "nodeName": "n", "containers": [{"name": "c", "image": "spiko/nanoservice:1"}]}
    return {
        "metadata": {"name": "p", "namespace": "default", "uid": "u", "labels": {"a": "1"}},
        "spec": spec,
        "status": status,
    }


RUNNING = Container().run(NOW, "process://u-1", 0, ready=True, started=True)
FAILED = RUNNING.end(Ended(-9, NOW, NOW, "process://u-1"))
DONE = RUNNING.end(Ended(0, NOW, NOW, "process://u-1"))
PHASES = [
    ("not yet started", Container(), "Always", "Pending", False),
    ("cannot pull", Container().wait(Waiting("ErrImagePull", "m")), "Always", "Pending", False),
    ("running and ready", RUNNING, "Always", "Running", True),
    ("ended, to be restarted", FAILED, "Always", "Running", False),
    ("ended with an error, never again", FAILED, "Never", "Failed", False),
    ("ended well, on failure only", DONE, "OnFailure", "Succeeded", False),
    ("backing off", FAILED.wait(Waiting("CrashLoopBackOff")), "Always", "Running", False),
]


@pytest.mark.parametrize(
    ("container", "policy", "phase", "ready"), [row[1:] for row in PHASES], ids=[row[0] for row in PHASES]
)
def test_phase_and_readiness(container: Container, policy: str, phase: str, ready: bool) -> None:
    """What a real kubelet would say."""
    status = build_status(pod(policy), container, "127.65.0.1", "127.64.0.1", NOW, NOW)
    conditions = {c["type"]: c["status"] for c in status["conditions"]}

    assert phase == status["phase"]
    assert str(ready) == conditions["Ready"]


def test_a_killed_container_says_137_and_its_signal() -> None:
    """Exit codes as a shell says them."""
    state = build_status(pod("Never"), FAILED, "a", "h", NOW, NOW)["containerStatuses"][0]["state"]["terminated"]

    assert (137, 9, "Error") == (state["exitCode"], state["signal"], state["reason"])


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    """LastTransitionTime is no heartbeat."""
    before = [{"type": "Ready", "status": "True", "lastTransitionTime": "earlier"}]
    status = build_status(pod(conditions=before), RUNNING, "a", "h", NOW, NOW)

    assert "earlier" == next(c for c in status["conditions"] if c["type"] == "Ready")["lastTransitionTime"]


def test_back_off_is_the_kubelets() -> None:
    """At once, 10 s doubling to 300 s."""
    assert [0, 10, 20, 40, 80, 160, 300, 300] == [backoff_s(n) for n in range(8)]
    assert [True, True, False] == [restarts("Always", 0), restarts("OnFailure", 1), restarts("OnFailure", 0)]


def test_the_environment_is_the_containers_own() -> None:
    """Values, field references and $(NAME); what cannot be had is said with its place."""
    container = {
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)-$(C)-$$(A)"},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}},
        ]
    }
    made = build_environment(pod(), container, "127.65.0.1", "h", {"SECRET": "x", "PATH": "/bin"}, {"X": "y"})

    assert {
        "A": "1",
        "B": "1-$(C)-$(A)",
        "IP": "127.65.0.1",
        "L": "1",
        "X": "y",
        "PATH": "/bin",
        "HOSTNAME": "p",
    } == made
    secret = {"env": [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}
    with pytest.raises(ConfigError, match=r"env\[0\] S: secretKeyRef"):
        build_environment(pod(), secret, "a", "h", {}, {})


def test_images_and_pods_that_cannot_run() -> None:
    """Ours by repository, whatever registry and tag; one container, no init containers."""
    assert [True, True, False, False] == [
        is_ours(i) for i in ("spiko/nanoservice", "x.y/spiko/nanoservice:2", "nginx", "spiko/nanoservice2")
    ]
    two = pod()
    two["spec"]["containers"] *= 2
    assert "2 containers" in unsupported(two)
    assert "" == unsupported(pod())


def test_probes_count_in_a_row() -> None:
    """Three failures in a row are a verdict, two and a success are not."""
    count = Count(Probe({}, 0, 1, 1, successes=1, failures=3))
    verdicts = [count.add(result) for result in (True, False, False, True, False, False, False, False)]

    assert [True, False, False, False, False, False, True, False] == verdicts
    assert count.verdict is False


def test_a_service_answers_with_ready_pods_or_all_if_it_says_so() -> None:
    """A selector picks by labels; an empty one picks nobody."""
    pods = [({"t": "a"}, "1", True), ({"t": "a"}, "2", False), ({"t": "b"}, "3", True)]

    assert ["1"] == select({"spec": {"selector": {"t": "a"}}}, pods)
    assert ["1", "2"] == select({"spec": {"selector": {"t": "a"}, "publishNotReadyAddresses": True}}, pods)
    assert [] == select({"spec": {}}, pods)


@pytest.mark.parametrize(("lines", "expected"), [(0, ""), (1, "c\n"), (2, "b\nc\n"), (9, "a\nb\nc\n")])
def test_the_last_lines_of_a_log(tmp_path: Path, lines: int, expected: str) -> None:
    """--tail counts from the end, over any size."""
    path = tmp_path / "log"
    path.write_text("a\nb\nc\n")

    assert expected == path.read_text()[tail_offset(path, lines) :]


def test_nodes_are_the_workers_of_the_file() -> None:
    """Names as kind gives them, labels and addresses; the built-in file is the repository's."""
    nodes = read_nodes(ROOT / "kind-config.yaml")

    assert ["spiko-worker", "spiko-worker2", "spiko-worker3"] == [n.name for n in nodes]
    assert ("127.64.0.2", "127.66.1.0") == (nodes[1].address, nodes[1].pod_address(256))
    assert nodes == read_nodes(None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not YAML"),
        ("kind: Pod", "kind: must be Cluster"),
        ("kind: Cluster\nnodes: [{role: control-plane}]", "no node of role worker"),
        ("kind: Cluster\nnodes: [{role: master}]", r"nodes\[0\].role: 'master'"),
        ("kind: Cluster\nnodes: [{role: worker, labels: {a: 1}}]", r"nodes\[0\].labels"),
    ],
)
def test_a_wrong_nodes_file_is_refused_with_its_field(text: str, message: str) -> None:
    """File, field, value, way out."""
    with pytest.raises(NodesError, match=message):
        parse_nodes(text, "f.yaml")

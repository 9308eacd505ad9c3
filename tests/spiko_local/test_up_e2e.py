"""`spiko up`, `down` and `status`: killed components come back, and no process or file is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spiko_local.components import BINARIES
from tests.support.local_cluster import REAL, Cluster, local_cluster, which_control_plane
from tests.support.paths import ROOT
from tests.support.signals import default_interrupts

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
REAL_COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "operator",
)
COMPONENTS = REAL_COMPONENTS if which_control_plane() == REAL else ("apiserver", "kubelet", "operator")


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A cluster whose components may be killed."""
    with local_cluster() as made:
        yield made


def status(cluster: Cluster) -> dict[str, Any]:
    """`spiko status --json`."""
    found: dict[str, Any] = json.loads(cluster.spiko("status", "--json").stdout)
    return found


def restarts(cluster: Cluster) -> dict[str, int]:
    """Return how often each component was restarted."""
    return {part["name"]: part["restarts"] for part in status(cluster)["parts"]}


def is_healthy(cluster: Cluster) -> bool:
    """Return whether all components are healthy and all nodes are Ready."""
    state = status(cluster)
    return all(part["healthy"] for part in state["parts"]) and all(node["ready"] for node in state["nodes"])


def test_status_shows_all_components_and_the_nodes_of_kubectl(own: Cluster) -> None:
    """Given a cluster, then `spiko status` has every component, and the same nodes and zones as kubectl."""
    state = status(own)
    nodes = {
        n["metadata"]["name"]: n["metadata"]["labels"]["topology.kubernetes.io/zone"]
        for n in own.items("nodes")
    }

    assert list(COMPONENTS) == [part["name"] for part in state["parts"]]
    assert nodes == {
        "spiko-worker": "us-east-1a",
        "spiko-worker2": "us-east-1b",
        "spiko-worker3": "us-east-1c",
    }
    assert nodes == {node["name"]: node["zone"] for node in state["nodes"]}
    assert is_healthy(own)


def test_keys_and_tokens_are_secret(own: Cluster) -> None:
    """Given a cluster, then its files are for their owner only, and a request without a token is refused."""
    modes = {path.stat().st_mode & 0o777 for path in (own.home / "kubeconfig", *(own.home / "pki").iterdir())}
    config = json.loads((own.home / "kubeconfig").read_text())
    context = __import__("ssl").create_default_context(cafile=str(own.home / "pki" / "ca.crt"))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(
            config["clusters"][0]["cluster"]["server"] + "/api/v1/secrets", context=context, timeout=5
        )
    refused.value.close()

    assert {0o600} == modes
    assert refused.value.code in (401, 403)
    assert len(config["users"][0]["user"]["token"]) >= 40


@pytest.mark.parametrize("part", COMPONENTS)
def test_a_killed_component_comes_back(own: Cluster, part: str) -> None:
    """Given a component, when it is killed, then it alone is restarted, and the cluster is healthy again."""
    before = restarts(own)
    own.kill(part)
    own.until(f"{part} back", lambda: restarts(own)[part] == before[part] + 1 and is_healthy(own), 40)
    after = restarts(own)

    own.kubectl("create", "configmap", f"after-{part}")
    assert before | {part: before[part] + 1} == after


def test_all_components_killed_at_once_come_back(own: Cluster) -> None:
    """Given an object, when all components are killed, then the cluster is healthy again and still has it."""
    before = restarts(own)
    own.kubectl("create", "configmap", "survivor")
    for part in status(own)["parts"]:
        os.kill(part["pid"], signal.SIGKILL)
    own.until(
        "all back", lambda: all(restarts(own)[p] > before[p] for p in COMPONENTS) and is_healthy(own), 60
    )

    assert own.get("configmap", "survivor")


@pytest.mark.long
def test_down_keeps_data_on_request_and_nothing_otherwise(own: Cluster) -> None:
    """Given `down --keep`, then `up` has the same objects and address; `down` leaves no process, no file."""
    own.kubectl("create", "configmap", "kept")
    server = json.loads((own.home / "kubeconfig").read_text())["clusters"]
    assert "kept data and logs in" in own.spiko("down", "--keep").stdout
    assert own.processes() == []
    own.up()
    assert own.get("configmap", "kept")
    assert (
        server[0]["cluster"]["server"]
        == json.loads((own.home / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    )

    assert f"stopped {len(COMPONENTS)} components" in own.spiko("down").stdout
    assert not own.home.exists()
    assert own.processes() == []
    assert "no cluster was up" in own.spiko("down").stdout
    own.up()


def test_a_second_cluster_is_rejected_before_it_starts_anything(own: Cluster, tmp_path: Path) -> None:
    """Given a cluster, when another home is brought up, then the error names the address; no file is made."""
    home = tmp_path / "h"
    other = Cluster(home)
    done = other.spiko("up", *own.arguments, check=False)

    assert done.returncode == 1
    assert "127.64.0.1:10250 is taken" in done.stderr
    assert not home.exists()


@pytest.fixture
def apart(own: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """A home for an `up` that fails; the module's cluster is down meanwhile."""
    own.spiko("down", "--keep")
    cluster = Cluster(tmp_path / "h")
    yield cluster
    cluster.spiko("down", check=False)
    own.up()


def test_a_component_that_fails_at_start_stops_all_others(apart: Cluster, tmp_path: Path) -> None:
    """Given an etcd that exits at once, then `up` fails with the end of its log, and no process is left."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in BINARIES:
        (folder / name).write_text("#!/bin/sh\necho no such luck\nexit 3\n")
        (folder / name).chmod(0o755)
    done = apart.spiko("up", "--control-plane", str(folder), check=False)

    assert done.returncode == 1
    assert "etcd does not start: ended with exit code 3; the end of its log:\nno such luck" in done.stderr
    assert apart.processes() == []
    assert apart.spiko("status", check=False).returncode == 3


@pytest.mark.parametrize("after_s", [0.2, *(pytest.param(s, marks=pytest.mark.long) for s in (0.6, 1.0))])
def test_an_interrupted_up_leaves_no_process(apart: Cluster, after_s: float) -> None:
    """Given an `up`, when Ctrl-C comes at any moment, then no process is left."""
    command = [sys.executable, "-m", "spiko_cli", "up", *apart.arguments]
    process = subprocess.Popen(
        command, env=apart.environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=default_interrupts,  # noqa: PLW1509  # no other thread runs here
    )  # fmt: skip
    time.sleep(after_s)  # the moment of the interrupt is what varies
    process.send_signal(signal.SIGINT)
    process.wait(30)

    assert apart.processes() == []


@pytest.mark.long
def test_the_remains_of_a_killed_supervisor_are_removed(apart: Cluster) -> None:
    """Given a killed supervisor, then no process is left, and the next `up` starts without its data."""
    apart.up()
    apart.kubectl("create", "configmap", "lost")
    os.kill(status(apart)["pid"], signal.SIGKILL)
    apart.until("no process left", lambda: not apart.processes(), 10)
    again = apart.spiko("up", *apart.arguments)

    assert "was killed; removing its remains" in again.stdout
    assert not apart.get("configmap", "lost")


def start_up(cluster: Cluster, *arguments: str) -> subprocess.Popen[str]:
    """Start `spiko up` and do not wait for it."""
    command = [sys.executable, "-m", "spiko_cli", "up", *cluster.arguments, *arguments]
    return subprocess.Popen(
        command, env=cluster.environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize("delay_s", [0.0, *(pytest.param(s, marks=pytest.mark.long) for s in (0.05, 0.3))])
def test_ups_at_once_make_one_cluster(apart: Cluster, delay_s: float) -> None:
    """Given three `spiko up` of one home at once, then one makes the cluster, and the others wait for it."""
    ups = []
    for _ in range(3):
        ups.append(start_up(apart))
        time.sleep(delay_s)  # how far the first has come is what varies
    outputs = [process.communicate(timeout=100)[0] for process in ups]

    assert [0, 0, 0] == [process.returncode for process in ups], outputs
    assert 1 == sum("certificates:" in output for output in outputs), outputs
    assert 2 == sum("waiting for it\nusing the cluster" in output for output in outputs), outputs
    assert is_healthy(apart)


@pytest.mark.long
def test_ups_of_two_homes_at_once_make_one_cluster(apart: Cluster, tmp_path: Path) -> None:
    """Given `spiko up` of two homes at once, then one makes its cluster; the other has a one-line error."""
    other = Cluster(tmp_path / "o")
    ups = [start_up(apart), start_up(other)]
    outputs = [process.communicate(timeout=100)[0] for process in ups]
    other.spiko("down", check=False)
    codes = [process.returncode for process in ups]

    assert [0, 1] == sorted(codes), outputs
    (error,) = outputs[codes.index(1)].strip().splitlines()
    assert "only one can run per machine" in error
    assert not (other, apart)[codes.index(0)].home.exists()


def test_down_during_an_up_leaves_nothing(apart: Cluster) -> None:
    """Given an `up` that has just begun, when `down` comes, then no process and no file is left."""
    process = start_up(apart)
    apart.until("the lock", apart.home.exists, 30)
    apart.spiko("down")
    output = process.communicate(timeout=100)[0]

    assert "Traceback" not in output
    assert [] == apart.processes()
    assert not apart.home.exists()

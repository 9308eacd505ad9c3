"""`spiko up`, `down` and `status` on a real control plane: whatever dies comes back, and nothing is ever left behind."""

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
from local_cluster import REAL, ROOT, Cluster, local_cluster, which_control_plane

from spiko_local.components import BINARIES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
REAL_PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "operator")
PARTS = REAL_PARTS if which_control_plane() == REAL else ("apiserver", "kubelet", "operator")


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A cluster whose parts may be killed."""
    with local_cluster() as made:
        yield made


def heed_interrupts() -> None:
    """A test run in the background of a shell passes on that SIGINT is ignored; somebody who types Ctrl-C is in the foreground."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def status(cluster: Cluster) -> dict[str, Any]:
    """`spiko status --json`."""
    found: dict[str, Any] = json.loads(cluster.spiko("status", "--json").stdout)
    return found


def restarts(cluster: Cluster) -> dict[str, int]:
    """How often each part was started again."""
    return {part["name"]: part["restarts"] for part in status(cluster)["parts"]}


def is_well(cluster: Cluster) -> bool:
    """All parts answer, all nodes are Ready."""
    state = status(cluster)
    return all(part["healthy"] for part in state["parts"]) and all(node["ready"] for node in state["nodes"])


def test_status_and_nodes(own: Cluster) -> None:
    """Every part, three nodes in three zones, the same to kubectl as to `spiko status`."""
    state = status(own)
    nodes = {n["metadata"]["name"]: n["metadata"]["labels"]["topology.kubernetes.io/zone"] for n in own.items("nodes")}

    assert list(PARTS) == [part["name"] for part in state["parts"]]
    assert nodes == {"spiko-worker": "us-east-1a", "spiko-worker2": "us-east-1b", "spiko-worker3": "us-east-1c"}
    assert nodes == {node["name"]: node["zone"] for node in state["nodes"]}
    assert is_well(own)


def test_secrets_are_secret(own: Cluster) -> None:
    """Files for the owner only; who has no token may nothing; the token is nobody else's."""
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


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back(own: Cluster, part: str) -> None:
    """Kill -9 of any part: it is started again, everything is well again, and nobody else was restarted."""
    before = restarts(own)
    own.kill(part)
    own.until(f"{part} back", lambda: restarts(own)[part] == before[part] + 1 and is_well(own), 40)
    after = restarts(own)

    own.kubectl("create", "configmap", f"after-{part}")
    assert before | {part: before[part] + 1} == after


def test_all_killed_at_once(own: Cluster) -> None:
    """Kill -9 of all parts in one moment: all well again, nothing lost."""
    before = restarts(own)
    own.kubectl("create", "configmap", "survivor")
    for part in status(own)["parts"]:
        os.kill(part["pid"], signal.SIGKILL)
    own.until("all back", lambda: all(restarts(own)[p] > before[p] for p in PARTS) and is_well(own), 60)

    assert own.get("configmap", "survivor")


@pytest.mark.long
def test_down_keeps_data_when_asked_and_nothing_otherwise(own: Cluster) -> None:
    """`down --keep` and `up`: the same objects at the same address. `down`: no process, no file. Twice: fine."""
    own.kubectl("create", "configmap", "kept")
    server = json.loads((own.home / "kubeconfig").read_text())["clusters"]
    assert "data and logs stay" in own.spiko("down", "--keep").stdout
    assert own.processes() == []
    own.up()
    assert own.get("configmap", "kept")
    assert (
        server[0]["cluster"]["server"]
        == json.loads((own.home / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    )

    assert f"stopped {len(PARTS)} parts" in own.spiko("down").stdout
    assert not own.home.exists()
    assert own.processes() == []
    assert "nothing was up" in own.spiko("down").stdout
    own.up()


def test_a_second_up_elsewhere_is_refused_before_it_starts_anything(own: Cluster, tmp_path: Path) -> None:
    """One cluster a machine: the message names the address and the way out."""
    home = tmp_path / "h"
    other = Cluster(home)
    done = other.spiko("up", *own.arguments, check=False)

    assert done.returncode == 1
    assert "127.64.0.1:10250 is taken" in done.stderr
    assert not home.exists()


@pytest.fixture
def apart(own: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """A home for an `up` that fails, while the module's cluster rests."""
    own.spiko("down", "--keep")
    cluster = Cluster(tmp_path / "h")
    yield cluster
    cluster.spiko("down", check=False)
    own.up()


def test_a_part_that_fails_at_start_takes_all_down(apart: Cluster, tmp_path: Path) -> None:
    """Given an etcd that ends at once, then `up` fails with the end of its log, and nothing runs."""
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
def test_an_interrupted_up_leaves_nothing(apart: Cluster, after_s: float) -> None:
    """Ctrl-C at any moment: no process is left, and a new `up` works."""
    command = [sys.executable, "-m", "spiko_cli", "up", *apart.arguments]
    process = subprocess.Popen(
        command, env=apart.environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=heed_interrupts,  # noqa: PLW1509  # no other thread runs here
    )  # fmt: skip
    time.sleep(after_s)  # the moment is the test's subject
    process.send_signal(signal.SIGINT)
    process.wait(30)

    assert apart.processes() == []


@pytest.mark.long
def test_a_killed_supervisor_is_cleaned_up_after(apart: Cluster) -> None:
    """Kill -9 of the supervisor: no process is left; the next `up` says what it found and starts afresh."""
    apart.up()
    apart.kubectl("create", "configmap", "lost")
    os.kill(status(apart)["pid"], signal.SIGKILL)
    apart.until("no process", lambda: not apart.processes(), 10)
    again = apart.spiko("up", *apart.arguments)

    assert "was killed; its remains are removed" in again.stdout
    assert not apart.get("configmap", "lost")

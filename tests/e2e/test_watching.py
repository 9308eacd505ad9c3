"""The operator's own connections go bad: silent peers, cut watches, tokens that are rotated or expire. It catches up by itself, or ends to be started again."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from architectures import shop
from local_cluster import ROOT, Cluster, local_cluster
from wire import Wire, wire

from spiko_local.processes import die_with_parent

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(240)]
ACCOUNT = "operator-of-tests"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """A cluster without an operator, and an account that may do everything."""
    with local_cluster("--without-operator") as made:
        made.kubectl("create", "serviceaccount", ACCOUNT)
        made.kubectl(
            "create",
            "clusterrolebinding",
            ACCOUNT,
            "--clusterrole=cluster-admin",
            f"--serviceaccount=default:{ACCOUNT}",
        )
        yield made


@pytest.fixture
def line(bare: Cluster) -> Iterator[Wire]:
    """The operator's way to the API server."""
    with wire(urlsplit(_kubeconfig(bare)["clusters"][0]["cluster"]["server"]).port or 443) as made:
        yield made


def _kubeconfig(cluster: Cluster) -> dict[str, list[dict[str, dict[str, str]]]]:
    found: dict[str, list[dict[str, dict[str, str]]]] = yaml.safe_load((cluster.home / "kubeconfig").read_text())
    return found


def write_kubeconfig(cluster: Cluster, line: Wire, path: Path, token: str) -> None:
    """The cluster's own, but by the relay and with this token; replaced in one step."""
    document = _kubeconfig(cluster)
    document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{line.port}"
    document["users"][0]["user"] = {"token": token}
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(document))
    fresh.replace(path)


def issue_token(cluster: Cluster, secret: str) -> str:
    """A token that is good as long as a Secret exists."""
    cluster.kubectl("create", "secret", "generic", secret)
    bound = ("--bound-object-kind=Secret", f"--bound-object-name={secret}")
    return cluster.kubectl("create", "token", ACCOUNT, *bound).stdout.strip()


def revoke_token(cluster: Cluster, secret: str, token: str) -> None:
    """The Secret goes, and a moment later (the API server remembers answers for 10 s) its token is refused."""
    cluster.kubectl("delete", "secret", secret)
    server = _kubeconfig(cluster)["clusters"][0]["cluster"]["server"]
    ask = ("--kubeconfig=", f"--server={server}", "--insecure-skip-tls-verify", f"--token={token}", "get", "ns")
    cluster.until("401", lambda: "Unauthorized" in cluster.kubectl(*ask, check=False).stderr)


@contextmanager
def operator(cluster: Cluster, kubeconfig: Path, resync_s: int) -> Iterator[subprocess.Popen[bytes]]:
    """An operator of the test's own; it logs to where the cluster's would."""
    environ = os.environ | {"KUBECONFIG": str(kubeconfig), "SPIKO_RESYNC_SECONDS": str(resync_s)}
    with (cluster.home / "logs" / "operator.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "spiko_operator"],
            env=environ,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  # a killed test run leaves nothing behind
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def space(bare: Cluster) -> Iterator[str]:
    """A namespace of the test's own; its architecture goes while the operator may be away."""
    name = f"watch-{next(_numbers)}"
    bare.kubectl("create", "namespace", name)
    yield name
    bare.kubectl("delete", "namespace", name, "--wait=false")


def pods(cluster: Cluster, space: str) -> str:
    """Ready/desired, as the operator says."""
    summary: dict[str, str] = cluster.get("arch", "shop", space).get("status", {}).get("summary", {})
    return summary.get("pods", "")


@pytest.mark.parametrize(
    ("resync_s", "limit_s"),
    [pytest.param(3600, 90, id="by the watch alone"), pytest.param(5, 55, id="by the full list")],
)
def test_connections_that_go_silent_are_noticed(
    bare: Cluster, line: Wire, space: str, tmp_path: Path, resync_s: int, limit_s: int
) -> None:
    """Given an operator whose every connection goes silent without being closed, when the spec changes, then it gives them up by itself and catches up."""
    write_kubeconfig(bare, line, tmp_path / "kubeconfig", _kubeconfig(bare)["users"][0]["user"]["token"])
    with operator(bare, tmp_path / "kubeconfig", resync_s) as process:
        bare.apply(shop(rate=0), space)
        bare.until_settled("shop", space)
        frozen = line.freeze()
        bare.kubectl("scale", "arch", "shop", "-n", space, "--replicas=200")
        time.sleep(3)
        unheard = pods(bare, space)
        bare.until("12 pods", lambda: pods(bare, space) == "12/12", limit_s)

        assert process.poll() is None
    assert frozen >= 7  # a watch for each kind
    assert unheard == "7/7"


@pytest.mark.real  # tokens of service accounts, which can be revoked
def test_a_rotated_token_is_taken_up(bare: Cluster, line: Wire, space: str, tmp_path: Path) -> None:
    """Given a watch that breaks, and a token that is refused by now, when the kubeconfig has the next one, then watches and writes go on in the same process."""
    first, second = (issue_token(bare, f"{space}-{i}") for i in range(2))
    write_kubeconfig(bare, line, tmp_path / "kubeconfig", first)
    with operator(bare, tmp_path / "kubeconfig", 3600) as process:
        bare.apply(shop(rate=0), space)
        bare.until_settled("shop", space)
        write_kubeconfig(bare, line, tmp_path / "kubeconfig", second)
        revoke_token(bare, f"{space}-0", first)
        line.cut()
        bare.kubectl("scale", "arch", "shop", "-n", space, "--replicas=200")
        bare.until("12 pods", lambda: pods(bare, space) == "12/12", 20)

        assert process.poll() is None


@pytest.mark.real  # tokens of service accounts, which can be revoked
def test_an_operator_whose_token_is_refused_ends_and_the_next_one_catches_up(
    bare: Cluster, line: Wire, space: str, tmp_path: Path
) -> None:
    """Given a token that is refused and no other, when a watch breaks, then the operator ends instead of living on deaf; the next one does what was missed."""
    first = issue_token(bare, f"{space}-0")
    write_kubeconfig(bare, line, tmp_path / "kubeconfig", first)
    with operator(bare, tmp_path / "kubeconfig", 3600) as process:
        bare.apply(shop(rate=0), space)
        bare.until_settled("shop", space)
        revoke_token(bare, f"{space}-0", first)
        line.cut()
        code = process.wait(60)
    bare.kubectl("scale", "arch", "shop", "-n", space, "--replicas=200")
    write_kubeconfig(bare, line, tmp_path / "kubeconfig", issue_token(bare, f"{space}-1"))
    with operator(bare, tmp_path / "kubeconfig", 3600):
        bare.until("12 pods", lambda: pods(bare, space) == "12/12", 30)

    assert code != 0

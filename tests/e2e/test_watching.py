"""Broken connections of the operator: silent peers, interrupted watches, rotated and expired tokens.

The operator catches up by itself, or exits so that the next one does.
"""

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

from spiko_local.processes import die_with_parent
from tests.support.architectures import shop
from tests.support.faulty_relay import Relay, relay
from tests.support.local_cluster import Cluster, local_cluster
from tests.support.paths import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(240)]
ACCOUNT = "operator-of-tests"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """A cluster without an operator, and an account with all permissions."""
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
def relay_to_api_server(bare: Cluster) -> Iterator[Relay]:
    """The operator's connection to the API server."""
    with relay(urlsplit(_kubeconfig(bare)["clusters"][0]["cluster"]["server"]).port or 443) as made:
        yield made


def _kubeconfig(cluster: Cluster) -> dict[str, list[dict[str, dict[str, str]]]]:
    found: dict[str, list[dict[str, dict[str, str]]]] = yaml.safe_load(
        (cluster.home / "kubeconfig").read_text()
    )
    return found


def write_kubeconfig(cluster: Cluster, relay_to_api_server: Relay, path: Path, token: str) -> None:
    """Write the cluster's kubeconfig with the relay and this token, atomically."""
    document = _kubeconfig(cluster)
    document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{relay_to_api_server.port}"
    document["users"][0]["user"] = {"token": token}
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(document))
    fresh.replace(path)


def issue_token(cluster: Cluster, secret: str) -> str:
    """Return a token that is valid as long as a Secret exists."""
    cluster.kubectl("create", "secret", "generic", secret)
    bound = ("--bound-object-kind=Secret", f"--bound-object-name={secret}")
    return cluster.kubectl("create", "token", ACCOUNT, *bound).stdout.strip()


def revoke_token(cluster: Cluster, secret: str, token: str) -> None:
    """Delete the Secret, and wait until its token is rejected; the API server caches answers for 10 s."""
    cluster.kubectl("delete", "secret", secret)
    server = _kubeconfig(cluster)["clusters"][0]["cluster"]["server"]
    ask = (
        "--kubeconfig=",
        f"--server={server}",
        "--insecure-skip-tls-verify",
        f"--token={token}",
        "get",
        "ns",
    )
    cluster.until("401", lambda: "Unauthorized" in cluster.kubectl(*ask, check=False).stderr)


@contextmanager
def operator(cluster: Cluster, kubeconfig: Path, resync_s: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run an operator for the test, which logs to the file of the cluster's operator."""
    # Operators of these tests are killed, and the next one must not wait for the end of a Lease.
    environ = os.environ | {"SPIKO_LEADER_ELECTION": "false"}
    environ |= {"KUBECONFIG": str(kubeconfig), "SPIKO_RESYNC_SECONDS": str(resync_s)}
    environ["SPIKO_ALLOW_DELETE"] = "true"
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
    """A namespace for one test; its architecture is deleted even if the operator is down."""
    name = f"watch-{next(_numbers)}"
    bare.kubectl("create", "namespace", name)
    yield name
    bare.kubectl("delete", "namespace", name, "--wait=false")


def pods(cluster: Cluster, space: str) -> str:
    """Return ready/desired pods, as the operator reports them."""
    summary: dict[str, str] = cluster.get("arch", "shop", space).get("status", {}).get("summary", {})
    return summary.get("pods", "")


@pytest.mark.parametrize(
    ("resync_s", "limit_s"),
    [pytest.param(3600, 90, id="by the watch alone"), pytest.param(5, 55, id="by the full list")],
)
def test_silent_connections_are_replaced(
    bare: Cluster, relay_to_api_server: Relay, space: str, tmp_path: Path, resync_s: int, limit_s: int
) -> None:
    """Given an operator whose connections all go silent without being closed, when the spec changes, then the
    operator replaces them and reconciles.
    """
    write_kubeconfig(
        bare, relay_to_api_server, tmp_path / "kubeconfig", _kubeconfig(bare)["users"][0]["user"]["token"]
    )
    with operator(bare, tmp_path / "kubeconfig", resync_s) as process:
        bare.apply(shop(rate=0), space)
        bare.until_settled("shop", space)
        frozen = relay_to_api_server.freeze()
        bare.kubectl("scale", "arch", "shop", "-n", space, "--replicas=200")
        time.sleep(3)
        unheard = pods(bare, space)
        bare.until("12 pods", lambda: pods(bare, space) == "12/12", limit_s)

        assert process.poll() is None
    assert frozen >= 7  # one watch for each kind
    assert unheard == "7/7"


@pytest.mark.real  # tokens of service accounts, which can be revoked
def test_rotated_token_is_read_again(
    bare: Cluster, relay_to_api_server: Relay, space: str, tmp_path: Path
) -> None:
    """Given a broken watch and a rejected token, when the kubeconfig has the next token, then watches and
    writes continue in the same process.
    """
    first, second = (issue_token(bare, f"{space}-{i}") for i in range(2))
    write_kubeconfig(bare, relay_to_api_server, tmp_path / "kubeconfig", first)
    with operator(bare, tmp_path / "kubeconfig", 3600) as process:
        bare.apply(shop(rate=0), space)
        bare.until_settled("shop", space)
        write_kubeconfig(bare, relay_to_api_server, tmp_path / "kubeconfig", second)
        revoke_token(bare, f"{space}-0", first)
        relay_to_api_server.cut()
        bare.kubectl("scale", "arch", "shop", "-n", space, "--replicas=200")
        bare.until("12 pods", lambda: pods(bare, space) == "12/12", 20)

        assert process.poll() is None


@pytest.mark.real  # tokens of service accounts, which can be revoked
def test_operator_with_a_rejected_token_exits(
    bare: Cluster, relay_to_api_server: Relay, space: str, tmp_path: Path
) -> None:
    """Given a rejected token and no other one, when a watch breaks, then the operator exits, and the next one
    reconciles the missed changes.
    """
    first = issue_token(bare, f"{space}-0")
    write_kubeconfig(bare, relay_to_api_server, tmp_path / "kubeconfig", first)
    with operator(bare, tmp_path / "kubeconfig", 3600) as process:
        bare.apply(shop(rate=0), space)
        bare.until_settled("shop", space)
        revoke_token(bare, f"{space}-0", first)
        relay_to_api_server.cut()
        code = process.wait(60)
    bare.kubectl("scale", "arch", "shop", "-n", space, "--replicas=200")
    write_kubeconfig(bare, relay_to_api_server, tmp_path / "kubeconfig", issue_token(bare, f"{space}-1"))
    with operator(bare, tmp_path / "kubeconfig", 3600):
        bare.until("12 pods", lambda: pods(bare, space) == "12/12", 30)

    assert code != 0

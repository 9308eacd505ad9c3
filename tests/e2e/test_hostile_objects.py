"""Objects that another user of the cluster changes or forges while an architecture serves requests."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from spiko_nanoservice.contract.handshake import EpochKey, render_keys
from tests.support.architectures import Object, shop
from tests.support.local_cluster import Cluster, local_cluster
from tests.support.totals import total_calls, total_errors

# Keys are checked once per RESYNC_S; the kubelet then replaces the files of the pods.
pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.built_in]
RESYNC_S = 5
HEALED_S = 30.0
EUREKA = "spiko.dev/tier=eureka,app!=forged"


@pytest.fixture(scope="module")
def lone() -> Iterator[Cluster]:
    """A cluster of its own, whose operator lists all objects every few seconds, with a settled shop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIKO_RESYNC_SECONDS", str(RESYNC_S))
        with local_cluster() as cluster:
            cluster.apply(shop())
            cluster.until_settled("shop")
            yield cluster


@pytest.fixture(autouse=True)
def undisturbed(lone: Cluster) -> Iterator[None]:
    """Check that requests go on, and that none fails."""
    yield
    calls = total_calls(lone, "default", "www", eurekas(lone))
    lone.until("requests", lambda: total_calls(lone, "default", "www", eurekas(lone)) > calls)
    lone.until_settled("shop")
    assert {} == total_errors(lone, "default", eurekas(lone))


def eurekas(cluster: Cluster) -> list[Object]:
    """Return the genuine eurekas."""
    return cluster.items("pods", "default", EUREKA)


def replace_one(cluster: Cluster, tier: str) -> None:
    """Delete one pod of a tier, and wait until its successor has registered. Without any pod of the tier,
    requests would have no route for a moment.
    """
    before = cluster.uids("default", f"spiko.dev/tier={tier}")
    cluster.kubectl("delete", "pod", min(before))
    cluster.until("a successor", lambda: set(cluster.uids("default", f"spiko.dev/tier={tier}")) - set(before))
    cluster.until_settled("shop")


def keys_of(cluster: Cluster, name: str) -> Any:
    """Return the content of a Secret."""
    return cluster.get("secret", name).get("data")


def metric(address: str, name: str) -> float:
    """Return the sum of a eureka's metric."""
    with urllib.request.urlopen(f"http://{address}:7070/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def test_a_pod_that_poses_as_a_eureka_gets_no_session(lone: Cluster) -> None:
    """Given a pod with the labels and the environment of a eureka, with keys of its own, when a pod starts
    again, then it registers at a genuine eureka, and neither it nor the operator connects to the forged one.
    """
    genuine = eurekas(lone)[0]
    files = {name: render_keys((EpochKey(1, b"x" * 32),)) for name in ("join", "control", "read")}
    lone.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "forged"}, "stringData": files})
    labels = {k: v for k, v in genuine["metadata"]["labels"].items() if k != "pod-template-hash"}
    spec = genuine["spec"] | {"volumes": [{"name": "keys", "secret": {"secretName": "forged"}}]}
    spec.pop("nodeName")
    forged = {"name": "forged", "labels": labels | {"app": "forged"}}
    lone.apply({"apiVersion": "v1", "kind": "Pod", "metadata": forged, "spec": spec})
    lone.until("the forged pod", lambda: lone.get("pod", "forged").get("status", {}).get("podIP"))
    address = lone.get("pod", "forged")["status"]["podIP"]
    replace_one(lone, "web")
    lone.until("refused connections", lambda: metric(address, "spiko_registry_refused_connections_total"))

    assert 0 == metric(address, "spiko_registry_connections")
    assert 0 == metric(address, "spiko_internal_errors_total")
    assert address not in lone.log_tail("operator", 1_000)
    lone.kubectl("delete", "pod/forged", "secret/forged")


def test_a_forged_state_is_rebuilt(lone: Cluster) -> None:
    """Given another user's state, then the operator rebuilds it and reports that, and no pod restarts."""
    before = lone.uids("default")
    forged = json.dumps({"data": {"state.json": "{}"}})
    lone.kubectl("patch", "configmap", "shop-state", "-p", forged)
    lone.until(
        "StateVerified=False",
        lambda: lone.condition("arch", "shop", "StateVerified").get("status") == "False",
    )

    assert before == lone.uids("default")


@pytest.mark.parametrize("how", ["deleted", "overwritten", "invalid"])
@pytest.mark.parametrize("name", ["shop-keys", "spiko-read"])
def test_keys_heal(lone: Cluster, name: str, how: str) -> None:
    """Given a Secret with keys that is deleted or overwritten, then the operator writes it again, and a pod
    that starts afterwards registers.
    """
    before = keys_of(lone, name)
    made_up = render_keys((EpochKey(1, b"x" * 32),)) if how == "overwritten" else "{nothing"
    data = {file: base64.b64encode(made_up.encode()).decode() for file in before}
    if how == "deleted":
        lone.kubectl("delete", "secret", name)
    else:
        lone.kubectl("patch", "secret", name, "-p", json.dumps({"data": data}))
    lone.until("the keys", lambda: keys_of(lone, name) == before, HEALED_S)
    replace_one(lone, "db")


def test_a_new_operator_key_replaces_all_others(lone: Cluster) -> None:
    """Given the operator's key is deleted, when the operator restarts, then it creates another one, reports
    that the state was rebuilt, and writes new keys, with which pods register.
    """
    before = keys_of(lone, "shop-keys")
    lone.kubectl("delete", "secret", "spiko-operator-key", "-n", "kube-system")
    lone.kill("operator")
    lone.until("new keys", lambda: keys_of(lone, "shop-keys") not in (None, before), HEALED_S)
    lone.until(
        "StateVerified=False",
        lambda: lone.condition("arch", "shop", "StateVerified").get("status") == "False",
    )
    lone.until_settled("shop", seconds=90)
    replace_one(lone, "db")

"""Keys of a running cluster: rotation, the right to read, healing, leaks, other owners, restored states."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from spiko_local.components import OPERATOR_NAMESPACE
from spiko_nanoservice.contract.handshake import KEY_FILES, Purpose
from tests.support.architectures import fault, shop
from tests.support.cluster_keys import (
    Place,
    arch_uid,
    eureka_addresses,
    file_epochs,
    forms,
    refusal,
    secret_keys,
    secret_owners,
)
from tests.support.local_cluster import Cluster, local_cluster
from tests.support.paths import ROOT
from tests.support.totals import total_calls, total_errors

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(240)]
PATHS = {
    "/register": Purpose.JOIN,
    "/peer": Purpose.PEER,
    "/control": Purpose.CONTROL,
    "/read": Purpose.READ,
}
ZONE = "topology.kubernetes.io/zone"
READER = "reader"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """A cluster with an operator of the first epoch."""
    with local_cluster("--without-operator") as cluster:
        made = Place(cluster)
        made.start(1)
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture
def space(place: Place) -> Iterator[str]:
    """A namespace for one test."""
    name = f"keys-{next(_numbers)}"
    place.cluster.kubectl("create", "namespace", name)
    yield name
    place.cluster.kubectl("delete", "namespace", name, "--wait=false", check=False)


def settled_shop(cluster: Cluster, space: str) -> None:
    """Apply a shop and wait until it is settled."""
    cluster.apply(shop(), space)
    cluster.until_settled("shop", space)


def top(cluster: Cluster, space: str) -> str:
    """Return the output of `spiko top --once`, which must succeed."""
    return cluster.spiko("top", "shop", "-n", space, "--once", "-t", "3").stdout


def test_keys_are_rotated_under_load(place: Place, space: str) -> None:
    """Given a shop under load, when the operator is restarted with the next epoch twice, then no request
    fails, every pod stays the same process, counters can be read at any time, and keys of the first epoch
    open no session.
    """
    cluster = place.cluster
    settled_shop(cluster, space)
    first = secret_keys(cluster, "shop-keys", space)
    before, calls = cluster.pod_pids(space), total_calls(cluster, space, "www")
    assert {file: [1, 0] for file in first} == {file: [k.epoch for k in keys] for file, keys in first.items()}
    assert "" == refusal(eureka_addresses(cluster, space)[0], "/read", first["read"])

    for epoch in (2, 3):
        place.start(epoch)
        assert "www" in top(cluster, space)
        cluster.until("new files", lambda: file_epochs(cluster) == {(epoch, epoch - 1)})  # noqa: B023
        assert "www" in top(cluster, space)
    patch = json.dumps([{"op": "replace", "path": "/spec/services/3/load/ratePerSecond", "value": 60}])
    cluster.kubectl("patch", "arch", "shop", "-n", space, "--type=json", "-p", patch)
    cluster.until_settled("shop", space)

    for address in eureka_addresses(cluster, space):
        for path, purpose in PATHS.items():
            old = first[KEY_FILES[purpose]]
            assert "no key in common: epochs here 1, 0, at the eureka 3, 2" == refusal(address, path, old)
    assert before == cluster.pod_pids(space)
    assert {} == total_errors(cluster, space)
    assert total_calls(cluster, space, "www") > calls
    place.start(1)


def documented_role() -> dict[str, Any]:
    """Return the Role of docs/security.md."""
    text = (ROOT / "docs" / "security.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?kind: Role\n.*?)```", text, re.DOTALL)
    role: dict[str, Any] = yaml.safe_load(block)
    return role


def reader_kubeconfig(cluster: Cluster, space: str, path: Path) -> str:
    """Write the kubeconfig of a ServiceAccount that has the Role `spiko-reader`."""
    account = f"--serviceaccount={space}:{READER}"
    cluster.kubectl("create", "serviceaccount", READER, "-n", space)
    cluster.kubectl("create", "rolebinding", READER, "-n", space, "--role=spiko-reader", account)
    token = cluster.kubectl("create", "token", READER, "-n", space).stdout.strip()
    document = yaml.safe_load((cluster.home / "kubeconfig").read_text())
    document["users"][0]["user"] = {"token": token}
    path.write_text(yaml.safe_dump(document))
    return str(path)


@pytest.mark.real  # RBAC is enforced by Kubernetes only
def test_the_documented_role_can_read_and_nothing_else(place: Place, space: str, tmp_path: Path) -> None:
    """Given a user with the documented Role, then `top` and `graph` work and the other keys are forbidden;
    without the right on the Secret, the error names Secret, namespace and right, and blames no eureka.
    """
    cluster = place.cluster
    settled_shop(cluster, space)
    role = documented_role()
    cluster.apply(role, space)
    config = reader_kubeconfig(cluster, space, tmp_path / "kubeconfig")

    def read(*command: str) -> subprocess.CompletedProcess[str]:
        return cluster.spiko(*command, "-n", space, "--kubeconfig", config, check=False)

    def kubectl(*command: str) -> str:
        return cluster.kubectl("--kubeconfig", config, "-n", space, *command, check=False).stderr

    def commands() -> list[subprocess.CompletedProcess[str]]:
        return [read("top", "shop", "--once"), read("graph", "shop")]

    cluster.until("the binding", lambda: kubectl("get", "secret", "spiko-read") == "")
    for done in commands():
        assert (0, "") == (done.returncode, done.stderr)
        assert "www" in done.stdout
    assert "Forbidden" in kubectl("get", "secret", "shop-keys")
    assert "Forbidden" in kubectl("get", "secrets")
    assert "Forbidden" in kubectl("patch", "secret", "spiko-read", "-p", "{}")

    role["rules"] = [rule for rule in role["rules"] if "secrets" not in rule["resources"]]
    cluster.apply(role, space)
    cluster.until("the role", lambda: "Forbidden" in kubectl("get", "secret", "spiko-read"))
    for done in commands():
        assert 1 == done.returncode
        assert f'you need the right to `get` Secret "spiko-read" in namespace "{space}"' in done.stderr
        assert "does not answer" not in done.stderr


@pytest.mark.parametrize("name", ["shop-keys", "spiko-read"])
def test_a_changed_secret_is_restored(place: Place, space: str, name: str) -> None:
    """Given a Secret that is deleted, or whose keys are changed or removed, then it is restored; a pod
    template is not changed for it.
    """
    cluster = place.cluster
    settled_shop(cluster, space)
    pids = cluster.pod_pids(space)

    def content() -> tuple[Any, ...]:
        found = cluster.get("secret", name, space)
        metadata = found.get("metadata", {})
        return found.get("data"), metadata.get("labels"), metadata.get("ownerReferences")

    before = content()
    cluster.kubectl("delete", "secret", name, "-n", space)
    cluster.until("the deleted Secret", lambda: content() == before, 15)
    for patch in ({"data": {"read": "e30="}}, {"data": None}, {"metadata": {"ownerReferences": None}}):
        cluster.kubectl("patch", "secret", name, "-n", space, "--type=merge", "-p", json.dumps(patch))
        cluster.until(f"the Secret after {patch}", lambda: content() == before, 15)
    cluster.until_settled("shop", space)

    assert pids == cluster.pod_pids(space)
    assert {} == total_errors(cluster, space)


def test_the_secret_for_reading_goes_with_the_last_architecture(place: Place, space: str) -> None:
    """Given two Architectures that are created at once, then both own `spiko-read`; it stays with the first
    one deleted, and goes with the last.
    """
    cluster = place.cluster
    both = [shop(name, rate=0) for name in ("cart", "shop")]
    cluster.apply({"apiVersion": "v1", "kind": "List", "items": both}, space)
    uids = {name: arch_uid(cluster, name, space) for name in ("cart", "shop")}
    owners = sorted(uids.values())
    cluster.until("two owners", lambda: secret_owners(cluster, "spiko-read", space) == owners, 15)
    cluster.kubectl("delete", "arch", "cart", "-n", space)
    one = [uids["shop"]]
    cluster.until("one owner", lambda: secret_owners(cluster, "spiko-read", space) == one, 15)
    cluster.until_settled("shop", space)
    cluster.kubectl("delete", "arch", "shop", "-n", space)
    cluster.until("no Secret", lambda: not cluster.items("secrets", space), 30)


def test_no_key_is_shown(place: Place, space: str) -> None:
    """Given a shop with a Fault, then no object but Secrets, no file but those of Secret volumes, no command
    line or environment, and no plain `kubectl get` has a key.
    """
    cluster = place.cluster
    settled_shop(cluster, space)
    cluster.apply(fault("kill", "shop", tier="web", method="Delete", gracePeriodSeconds=0), space)
    cluster.until_true("kill", "Ended", space, kind="fault")
    top(cluster, space)
    names = [("shop-keys", space), ("spiko-read", space)]
    keys = {k.key for name in names for found in secret_keys(cluster, *name).values() for k in found}
    own = cluster.get("secret", "spiko-operator-key", OPERATOR_NAMESPACE)["data"]["key"]
    secrets = forms(keys | {base64.b64decode(own)})
    data = {text.encode() for name in names for text in cluster.get("secret", *name)["data"].values()}
    secrets |= data | {own.encode()}

    kinds = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    kinds = [kind for kind in kinds if kind not in ("secrets", "componentstatuses")]
    shown = {
        "objects": cluster.kubectl(
            "get", ",".join(kinds), "-A", "-o", "json", "--show-managed-fields"
        ).stdout,
        "get": cluster.kubectl("get", "secrets", "-A", "-o", "wide", "--show-labels").stdout,
        "describe": cluster.kubectl("describe", "secrets,pods,arch", "-A").stdout,
    }
    places = {what: text.encode() for what, text in shown.items()}
    files = [*(cluster.home / "logs").rglob("*"), *(cluster.home / "kubelet").rglob("*")]
    files += [Path(f"/proc/{pid}/{name}") for pid in cluster.processes() for name in ("environ", "cmdline")]
    for path in files:
        with contextlib.suppress(OSError):  # a folder, or the pod has ended meanwhile
            places[str(path)] = path.read_bytes()
    found = [where for where, text in places.items() if any(secret in text for secret in secrets)]

    assert "shop-keys" in shown["objects"]
    assert any(path.endswith(".log") for path in places)
    assert set(KEY_FILES.values()) == {Path(where).name for where in found}  # of the Secret volumes


def test_a_foreign_secret_is_left_alone(place: Place, space: str) -> None:
    """Given a Secret of a user with a name that the Architecture needs, then the condition names it, nothing
    is changed or created, and the Architecture runs after it is removed.
    """
    cluster = place.cluster
    taken = {f"{space}-a": "shop-keys", f"{space}-b": "spiko-read"}
    before = {}
    for where, name in taken.items():
        cluster.kubectl("create", "namespace", where)
        cluster.kubectl("create", "secret", "generic", name, "-n", where, "--from-literal=read=mine")
        before[where] = cluster.get("secret", name, where)
        cluster.apply(shop(), where)
    for where, name in taken.items():
        cluster.until("a verdict", lambda: cluster.condition("arch", "shop", "Accepted", where))  # noqa: B023
        verdict = cluster.condition("arch", "shop", "Accepted", where)
        assert ("False", "NameTaken") == (verdict["status"], verdict["reason"])
        assert f"Secret {name} belongs to another owner" in verdict["message"]
    for where, name in taken.items():
        assert before[where] == cluster.get("secret", name, where)
        assert [name] == [body["metadata"]["name"] for body in cluster.items("secrets", where)]
        assert [] == cluster.items("deployments,services,pods,pdb", where)
        assert {} == cluster.get("configmap", "shop-state", where)
        cluster.kubectl("delete", "secret", name, "-n", where)
    for where in taken:
        cluster.until_settled("shop", where, 75)
        cluster.kubectl("delete", "namespace", where, "--wait=false")


def test_architectures_of_one_name_have_their_own_keys(place: Place, space: str) -> None:
    """Given a shop in each of two namespaces, when one is deleted and applied at once, then both run, with
    keys of their own, and the new one has other keys than the deleted one.
    """
    cluster, other = place.cluster, f"{space}-b"
    cluster.kubectl("create", "namespace", other)
    for where in (space, other):
        cluster.apply(shop(), where)
    for where in (space, other):
        cluster.until_settled("shop", where)
    before = secret_keys(cluster, "shop-keys", space)
    cluster.kubectl("delete", "arch", "shop", "-n", space, "--wait=false")
    cluster.apply(shop(), space)
    cluster.until_settled("shop", space)
    after, others = (secret_keys(cluster, "shop-keys", where) for where in (space, other))

    for file in before:
        assert (file == "read") == (before[file] == after[file])
        assert after[file] != others[file]
    for where in (space, other):
        uid = [arch_uid(cluster, "shop", where)]
        for name in ("shop-keys", "spiko-read"):
            cluster.until("its owner", lambda: secret_owners(cluster, name, where) == uid, 15)  # noqa: B023
        assert "www" in top(cluster, where)
    for path, purpose in PATHS.items():
        text = refusal(eureka_addresses(cluster, other)[0], path, after[KEY_FILES[purpose]])
        assert "proof: not valid for this eureka and purpose" in text
    cluster.kubectl("delete", "namespace", other, "--wait=false")


def backed_up_state(cluster: Cluster, space: str) -> dict[str, Any]:
    """Run a shop and delete it; return its state as a tool for backups restores it."""
    settled_shop(cluster, space)
    backup = cluster.get("configmap", "shop-state", space)
    cluster.kubectl("delete", "arch", "shop", "-n", space)
    cluster.until("the end of the state", lambda: not cluster.get("configmap", "shop-state", space))
    backup["metadata"] = {key: backup["metadata"][key] for key in ("name", "namespace", "labels")}
    return backup


def test_a_state_restored_first_keeps_the_zones(place: Place, space: str) -> None:
    """Given a deleted Architecture, and a node that is in another zone since, when its state is restored and
    the Architecture is created again, then it has the zones of the backup, and the state counts as genuine.
    """
    cluster = place.cluster
    backup = backed_up_state(cluster, space)
    node = next(body for body in cluster.items("nodes") if ZONE in body["metadata"]["labels"])
    name, zone = node["metadata"]["name"], node["metadata"]["labels"][ZONE]
    cluster.kubectl("label", "node", name, "--overwrite", f"{ZONE}=elsewhere")
    try:
        manager = "--field-manager=spiko-operator"  # tools for backups keep it
        cluster.kubectl("create", manager, "-f", "-", stdin=json.dumps(backup))
        cluster.apply(shop(), space)
        found = cluster.until("zones", lambda: zones(cluster, space))
    finally:
        cluster.kubectl("label", "node", name, "--overwrite", f"{ZONE}={zone}")
    cluster.until_settled("shop", space)

    assert zone in found
    assert "elsewhere" not in found
    assert_genuine(cluster, space)


def test_a_state_restored_later_is_genuine(place: Place, space: str) -> None:
    """Given an Architecture that was deleted and created again, when its former state is restored over the
    new one, then the state counts as genuine, zones and pods stay, and later edits reach the pods.
    """
    cluster = place.cluster
    backup = backed_up_state(cluster, space)
    settled_shop(cluster, space)
    found, pids = zones(cluster, space), cluster.pod_pids(space)
    patch = json.dumps({"data": backup["data"]})
    cluster.kubectl("patch", "configmap", "shop-state", "-n", space, "--type=merge", "-p", patch)
    cluster.apply(shop(rate=40), space)
    cluster.until_settled("shop", space)

    assert found == zones(cluster, space)
    assert pids == cluster.pod_pids(space)
    assert_genuine(cluster, space)


def assert_genuine(cluster: Cluster, space: str) -> None:
    """Fail if the state was rebuilt, has another owner, or if requests failed."""
    assert {} == cluster.condition("arch", "shop", "StateVerified", space)
    (owner,) = cluster.get("configmap", "shop-state", space)["metadata"]["ownerReferences"]
    assert arch_uid(cluster, "shop", space) == owner["uid"]
    assert {} == total_errors(cluster, space)


def zones(cluster: Cluster, space: str) -> list[str]:
    """Return the zones of the shop; empty before the first status."""
    regions = cluster.get("arch", "shop", space).get("status", {}).get("regions", [])
    return [zone for region in regions for zone in region["zones"]]

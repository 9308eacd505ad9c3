"""Registrations at eurekas that the API server contradicts."""

from __future__ import annotations

from typing import Any, cast

import pytest

from spiko_operator.context import Context
from spiko_operator.errors import ClusterError
from spiko_operator.handlers.registrations import RegistrationCheck
from spiko_operator.plan.objects import Key
from spiko_operator.plan.registrations import Registration
from tests.support.settled_shop import running

Object = dict[str, Any]
SHOP: Key = ("default", "shop")


class Operator:
    """The parts of a context that the check uses."""

    def __init__(self) -> None:
        self.client = self.cache = self.links = self
        self.unknown_pods: dict[Key, frozenset[Registration]] = {}
        self.pods = [pod("a", "10.0.0.1"), pod("b", "10.0.0.2")]
        self.answers = {("a", "10.0.0.1"), ("b", "10.0.0.2")}
        self.fails = False

    def all(self, kind: str) -> list[Object]:
        """Return one Architecture."""
        return [{"metadata": {"namespace": "default", "name": "shop"}}]

    def connected(self, key: Key) -> int:
        """Return the number of eurekas."""
        return 1

    async def registered(self, key: Key, timeout_s: float) -> frozenset[Registration]:
        """Return the answers."""
        return frozenset(self.answers)

    async def list(self, kind: str, namespace: str, labels: str) -> list[Object]:
        """Return the pods."""
        if self.fails:
            raise ClusterError("no answer")
        assert ("Pod", "default", "spiko.dev/architecture=shop") == (kind, namespace, labels)
        return self.pods


def pod(uid: str, address: str) -> Object:
    """Return a pod."""
    return {"metadata": {"uid": uid}, "status": {"podIP": address, "podIPs": [{"ip": address}]}}


async def test_a_registration_is_reported_when_it_is_contradicted_twice() -> None:
    """Given a UID that no pod has and an address of another pod, then both are reported at the second check,
    and no more when they are gone.
    """
    operator = Operator()
    check = RegistrationCheck(cast(Context, operator))
    assert [] == await check.run()
    operator.answers |= {("z", "10.0.0.9"), ("a", "10.0.0.2")}
    assert [] == await check.run()
    assert [SHOP] == await check.run()
    assert {("z", "10.0.0.9"), ("a", "10.0.0.2")} == operator.unknown_pods[SHOP]
    assert [] == await check.run()
    operator.answers = {("a", "10.0.0.1")}

    assert [SHOP] == await check.run()
    assert frozenset() == operator.unknown_pods[SHOP]


async def test_a_pod_that_starts_between_the_questions_is_not_reported() -> None:
    """Given a pod that registers before it is listed, then it is not reported."""
    operator = Operator()
    check = RegistrationCheck(cast(Context, operator))
    operator.answers |= {("c", "10.0.0.3")}
    first = await check.run()
    operator.pods.append(pod("c", "10.0.0.3"))

    assert [] == first == await check.run()
    assert {} == operator.unknown_pods


async def test_an_api_server_that_does_not_answer_is_an_error() -> None:
    """Given no list of pods, then the check fails instead of reporting every pod."""
    operator = Operator()
    operator.fails = True
    with pytest.raises(ClusterError):
        await RegistrationCheck(cast(Context, operator)).run()


def test_an_unknown_pod_gives_a_condition_and_one_event() -> None:
    """Given unknown registrations, then PodsVerified is False with UID and address, and True afterwards; an
    Architecture without doubt has no such condition.
    """
    cluster = running()
    assert {} == cluster.condition("shop", "PodsVerified")
    cluster.unknown_pods = frozenset({("z\n", "10.0.0.9")})
    for _ in range(2):
        cluster.reconcile("shop")
    doubt = cluster.condition("shop", "PodsVerified")
    cluster.unknown_pods = frozenset()
    cluster.reconcile("shop")

    assert ("False", "UnknownPod") == (doubt["status"], doubt["reason"])
    assert r"'z\n' at 10.0.0.9" in doubt["message"]
    assert "True" == cluster.condition("shop", "PodsVerified")["status"]
    assert ["Warning", "Normal"] == [event.type for event in cluster.events]

"""All controllers over a store in memory, in an event loop with a virtual clock: an hour takes a moment."""

from __future__ import annotations

import asyncio
import random
import selectors
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from kube_devserver.api.options import Options, Target
from kube_devserver.api.verbs import Verbs
from kube_devserver.controllers.manager import Controllers
from kube_devserver.objects.kinds import DEFINITIONS, LEASES, NODES, PODS, Body, Kind
from kube_devserver.objects.resource_registry import Registry
from kube_devserver.storage.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTLE_S = 0.9  # shorter than the pause after a failure: one that is repeated for ever does not keep a test
NAMESPACE = "default"


class _Waitless(selectors.SelectSelector):
    """A selector that does not wait and adds up the time that would pass."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0
        # The longest turn of the loop: the time for which no other request would be answered.
        self.longest_s, self._since = 0.0, time.process_time()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The events that are ready now."""
        assert timeout is not None, "nothing will ever happen"
        self.passed_s += max(0.0, timeout)
        self.longest_s = max(self.longest_s, time.process_time() - self._since)
        found = super().select(0)
        self._since = time.process_time()
        return found


class Control:
    """The controllers, their store and their clocks, for a test to drive.

    Args:
        selector: of the loop that it runs in.
        store: with what is there already.
    """

    def __init__(self, selector: _Waitless, store: Store) -> None:
        self._selector, self.store = selector, store
        self.jump = timedelta()  # of the wall clock, which need not go as the loop's
        self.verbs = Verbs(
            store, Registry(), lambda: self.now().strftime("%Y-%m-%dT%H:%M:%SZ"), random.Random(1)
        )
        self.controllers = Controllers(self.verbs, "authority", self.now)

    def now(self) -> datetime:
        """The wall clock."""
        return START + timedelta(seconds=self._selector.passed_s) + self.jump

    def text(self) -> str:
        """The wall clock as objects contain it."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def longest_turn(self) -> float:
        """Seconds that the longest turn of the loop took since the last call."""
        longest_s, self._selector.longest_s = self._selector.longest_s, 0.0
        return longest_s

    async def settle(self, seconds: float = SETTLE_S) -> None:
        """Let the controllers work and time pass."""
        await asyncio.sleep(seconds)

    # ------------------------------------------------------------------ what a client does

    def create(self, kind: Kind, body: Body, namespace: str = NAMESPACE) -> Body:
        """Create an object."""
        resource = self.verbs.registry.stored(kind)
        assert resource is not None
        return self.verbs.create(
            resource, namespace if resource.namespaced else "", body, Options(manager="test")
        )

    def get(self, kind: Kind, name: str, namespace: str = NAMESPACE) -> Body | None:
        """An object, or None."""
        entry = self.store.get(kind, "" if kind in (NODES, DEFINITIONS) else namespace, name)
        return entry.body if entry is not None else None

    def change(self, kind: Kind, name: str, subresource: str = "", **parts: Any) -> Body:
        """Replace top-level parts of an object."""
        body = self.get(kind, name)
        assert body is not None
        return self.verbs.update(self._at(kind, name, subresource), body | parts, Options(manager="test"))[0]

    def delete(self, kind: Kind, name: str, policy: str = "Background", **wanted: Any) -> None:
        """Delete an object."""
        self.verbs.delete(self._at(kind, name), {"propagationPolicy": policy} | wanted, Options())

    def _at(self, kind: Kind, name: str, subresource: str = "") -> Target:
        resource = self.verbs.registry.stored(kind)
        assert resource is not None
        return Target(resource, NAMESPACE if resource.namespaced else "", name, subresource)

    def names(self, kind: Kind) -> list[str]:
        """Names of all objects of a kind in the namespace of the tests."""
        namespace = "" if kind in (NODES, DEFINITIONS) else NAMESPACE
        return [entry.body["metadata"]["name"] for entry in self.store.entries(kind, namespace)]

    def pods(self) -> list[Body]:
        """All pods of the namespace of the tests."""
        return [entry.body for entry in self.store.entries(PODS, NAMESPACE)]

    # ------------------------------------------------------------------ what a kubelet does

    def start_node(self, name: str, **labels: str) -> None:
        """A node that is ready, and its lease."""
        conditions = [
            {
                "type": "Ready",
                "status": "True",
                "lastHeartbeatTime": self.verbs.now(),
                "lastTransitionTime": self.verbs.now(),
            }
        ]
        node = {
            "metadata": {"name": name, "labels": labels},
            "status": {"conditions": conditions, "capacity": {"pods": "1100", "cpu": "64", "memory": "64Gi"}},
        }
        self.create(NODES, node)
        lease = {"metadata": {"name": name}, "spec": {"holderIdentity": name, "renewTime": self.text()}}
        self.create(LEASES, lease, "kube-node-lease")

    def start_node_again(self, name: str) -> None:
        """Let a silent node report that it is ready."""
        node = self.get(NODES, name)
        assert node is not None
        ready = {
            "type": "Ready",
            "status": "True",
            "lastHeartbeatTime": self.verbs.now(),
            "lastTransitionTime": self.verbs.now(),
        }
        self.change(NODES, name, "status", status=node["status"] | {"conditions": [ready]})
        self.beat(name)

    def sleep(self, seconds: float) -> None:
        """Let the machine sleep: only its clocks advance."""
        self._selector.passed_s += seconds

    def beat(self, *names: str) -> None:
        """Renew the nodes' leases."""
        resource = self.verbs.registry.stored(LEASES)
        assert resource is not None
        for name in names:
            lease = self.get(LEASES, name, "kube-node-lease")
            assert lease is not None
            spec = lease["spec"] | {"renewTime": self.text()}
            self.verbs.update(Target(resource, "kube-node-lease", name), lease | {"spec": spec}, Options())

    def run_pods(self) -> None:
        """Make scheduled pods ready, and remove pods that are being deleted."""
        for pod in self.pods():
            name = pod["metadata"]["name"]
            if pod["metadata"].get("deletionTimestamp"):
                self.delete(PODS, name, gracePeriodSeconds=0)
            elif pod["spec"].get("nodeName") and pod["status"].get("phase") == "Pending":
                self.set_ready(name)

    def set_ready(self, name: str, ready: bool = True) -> None:
        """Report that a pod runs, and whether it is ready."""
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": self.verbs.now()}
        self.change(PODS, name, "status", status={"phase": "Running", "conditions": [condition]})


def control(scenario: Callable[[Control], Awaitable[None]], store: Store | None = None) -> None:
    """Run a scenario with all controllers at work."""
    selector = _Waitless()

    async def main() -> None:
        made = Control(selector, store or Store(None))
        made.controllers.prepare()
        working = asyncio.create_task(made.controllers.run())
        try:
            await made.settle()
            await scenario(made)
            assert not working.done(), "the controllers have ended"
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            made.store.close()

    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.passed_s  # type: ignore[method-assign]
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


# ------------------------------------------------------------------ objects


def template(app: str, **spec: Any) -> Body:
    """A pod template."""
    containers = [{"name": "c", "image": "example/x:1"}]
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": containers} | spec}


def deployment(name: str = "a", replicas: int = 3, **spec: Any) -> Body:
    """A Deployment."""
    whole = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": template(name),
    } | spec
    return {"metadata": {"name": name}, "spec": whole}


def replica_set(name: str = "a", replicas: int = 3, **spec: Any) -> Body:
    """A ReplicaSet."""
    return deployment(name, replicas, **spec)


def pod(name: str = "p", app: str = "a", **spec: Any) -> Body:
    """A pod."""
    made = template(app, **spec)
    return {"metadata": made["metadata"] | {"name": name}, "spec": made["spec"]}


def budget(name: str = "a", **spec: Any) -> Body:
    """A PodDisruptionBudget of the pods of an app of the same name."""
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": name}}} | spec}


def definition(plural: str, kind: str, group: str = "example.dev") -> Body:
    """A CustomResourceDefinition."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object"}},
    }
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": plural, "kind": kind},
        "versions": [version],
    }
    return {"metadata": {"name": f"{plural}.{group}"}, "spec": spec}


def conditions(body: Body | None) -> dict[str, str]:
    """An object's conditions by their type."""
    assert body is not None
    return {each["type"]: each["status"] for each in body.get("status", {}).get("conditions") or ()}


def owned_by(*owners: Body, block: bool = True) -> list[Body]:
    """Owner references."""
    return [
        {"apiVersion": o["apiVersion"], "kind": o["kind"], "name": o["metadata"]["name"],
         "uid": o["metadata"]["uid"], "blockOwnerDeletion": block}
        for o in owners
    ]  # fmt: skip

"""An API server, eurekas and a ReplicaSet in memory, for handlers that kill pods.

The operator can be stopped before or after any write, and the API server can be unavailable for a while.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Callable
from typing import Any, cast

from opentelemetry.trace import NoOpTracerProvider

from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.cluster.owners import Owners
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError, Conflict, Missing, Throttled
from spiko_operator.eureka_links import Links
from spiko_operator.eureka_urls import Reacher
from spiko_operator.key_publisher import KeyPublisher
from spiko_operator.plan.keys import Keyring
from spiko_operator.plan.state import ArchitectureState, config_map
from spiko_operator.plan.topology import choose
from spiko_operator.settings import Settings

Object = dict[str, Any]
NAMESPACE, SHOP = "default", "shop"
KEYRING = Keyring(b"k" * 32)


class Cut(Exception):
    """The operator was stopped here."""


class FakeApi:
    """One architecture of one tier, with the interface of `Client`; `log` has every executed write.

    Args:
        pods: number of web servers.
        cut_at: number of the write at which the operator stops; None for never.
        cut_after: whether that write is executed.
        away_at: number of the call at which the server becomes unavailable.
        away: number of calls for which it is; every second write of these is executed all the same.
    """

    def __init__(
        self,
        pods: int = 6,
        cut_at: int | None = None,
        cut_after: bool = False,
        away_at: int | None = None,
        away: int = 5,
    ) -> None:
        self.log: list[str] = []
        self.events: list[str] = []
        self.objects: dict[tuple[str, str], Object] = {}
        self.processes: dict[str, int] = {}
        self.listeners: dict[str, Callable[[Object], None]] = {}
        self.connected = 1
        self.evictions_left = 1_000  # evictions until the budget refuses all
        self.allow_delete = True
        self.forgets = ""  # field of the status that the CRD does not have
        self.deaf: set[str] = set()  # pods without a session
        self.frozen: set[str] = set()  # pods that keep running after a crash request
        # Called with its name after a pod was read, one for each read.
        self.after_read: list[Callable[[str], None]] = []
        self._cut_at, self._cut_after = cut_at, cut_after
        self._away = range(away_at, away_at + away) if away_at is not None else range(0)
        self._calls, self._writes = itertools.count(), itertools.count()
        self._numbers = itertools.count(1)
        self._unready: dict[str, int] = {}  # pod -> number of lists until it is Ready
        for _ in range(pods):
            self._add_pod(0)
        web = {"spiko.dev/tier": "web"}
        deployment = self.put("Deployment", "shop-web", spec={"replicas": pods}, labels=web)
        deployment["metadata"] |= {"uid": "uid-shop-web", "ownerReferences": [owned_by("Architecture", SHOP)]}
        replica_set = self.put("ReplicaSet", "rs", labels=web)
        replica_set["metadata"] |= {"uid": "uid-rs", "ownerReferences": [owned_by("Deployment", "shop-web")]}
        self.put("PodDisruptionBudget", "shop-web", labels={"spiko.dev/tier": "web"})
        stored = ArchitectureState(choose(None, {}, 1), {}, {}, started=True)
        state = config_map(SHOP, NAMESPACE, {}, stored, KEYRING.state_key(NAMESPACE, SHOP))
        self.put("ConfigMap", "shop-state", data=state["data"])

    # ------------------------------------------------------------ objects

    def put(self, kind: str, name: str, labels: Object | None = None, **fields: Any) -> Object:
        """Create or replace an object."""
        before = self.objects.get((kind, name))
        metadata = {
            "name": name,
            "namespace": NAMESPACE,
            "uid": before["metadata"]["uid"] if before else f"uid-{next(self._numbers)}",
            "resourceVersion": str(next(self._numbers)),
            "generation": before["metadata"]["generation"] + 1 if before else 1,
            "labels": {"spiko.dev/architecture": SHOP, **(labels or {})},
        }
        kept = {"status": before["status"]} if before and "status" in before else {}
        body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **kept, **fields}
        self.objects[kind, name] = body
        return body

    def put_architecture(self, monkey: Object | None = None, ready: bool = True) -> None:
        """Create the Architecture, accepted and Ready."""
        services = [{"name": "web", "package": "store", "count": 6, "regions": 1, "dependencies": []}]
        spec = {"services": services, "victim": "web"} | ({"chaos": {"monkey": monkey}} if monkey else {})
        body = self.put("Architecture", SHOP, spec=spec)
        body["metadata"]["uid"] = f"uid-{SHOP}"
        conditions = [
            {"type": kind, "status": status, "observedGeneration": body["metadata"]["generation"]}
            for kind, status in (("Accepted", "True"), ("Ready", str(ready)))
        ]
        body["status"] = body.get("status", {}) | {"conditions": conditions}

    def pods(self) -> list[Object]:
        """Return all pods."""
        return [body for (kind, _), body in self.objects.items() if kind == "Pod"]

    def killed(self) -> list[str]:
        """Return the killed pods, or pods whose process was killed, in order."""
        return [entry.split()[1] for entry in self.log if entry.split()[0] in ("delete", "evict", "crash")]

    def _add_pod(self, unready: int) -> None:
        number = next(self._numbers)
        name = f"web-{number:03}"
        pod = self.put("Pod", name, {"spiko.dev/tier": "web", "spiko.dev/version": "1.0.0"})
        pod["metadata"]["ownerReferences"] = [owned_by("ReplicaSet", "rs")]
        self._unready[name] = unready
        self.processes[pod["metadata"]["uid"]] = 1000 + number
        self._set_ready(pod, 0)

    def add_stranger(self) -> None:
        """Add a ready pod that has the labels of a web server and no owner."""
        labels = {"spiko.dev/tier": "web", "spiko.dev/version": "1.0.0"}
        self._unready["stranger"] = 0
        self._set_ready(self.put("Pod", "stranger", labels), 0)

    def _set_ready(self, pod: Object, restarts: int) -> None:
        ready = self._unready[pod["metadata"]["name"]] <= 0
        container = {"restartCount": restarts, "state": {"running": {}}}
        conditions = [{"type": "Ready", "status": str(ready)}]
        pod["status"] = {"conditions": conditions, "containerStatuses": [container]}

    def _remove(self, name: str) -> None:
        pod = self.objects.pop(("Pod", name))
        self._tell(pod["metadata"]["uid"], {"t": "holders", "holders": 0})
        self._tell(pod["metadata"]["uid"], {"t": "hurt", "errors": {"reset": 1}})
        self._add_pod(2)

    # ------------------------------------------------------------ the client

    async def list(self, kind: str, namespace: str, labels: str = "") -> list[Object]:
        """Return the pods."""
        await asyncio.sleep(0)  # so that several workers run at the same time, as with a real server
        self._answer()
        self._pass_time()
        return copy.deepcopy(self.pods())

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        """Return one object."""
        self._answer()
        if (kind, name) not in self.objects:
            raise Missing(name)
        found = copy.deepcopy(self.objects[kind, name])
        if kind == "Pod" and self.after_read:
            self.after_read.pop(0)(name)
        return found

    def terminate(self, name: str) -> None:
        """Begin to delete a pod, as another client does: it stays for its grace period."""
        metadata = self.objects["Pod", name]["metadata"]
        metadata |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": str(next(self._numbers))}

    def touch(self, name: str) -> None:
        """Change a pod, as a kubelet does."""
        self.objects["Pod", name]["metadata"]["resourceVersion"] = str(next(self._numbers))

    def finish_termination(self) -> None:
        """Remove the pods that are being deleted; each is replaced."""
        for pod in self.pods():
            if "deletionTimestamp" in pod["metadata"]:
                self._remove(pod["metadata"]["name"])

    def _pass_time(self) -> None:
        """Let replacements become Ready; each list of pods and each eviction calls this."""
        for pod in self.pods():
            self._unready[pod["metadata"]["name"]] -= 1
            self._set_ready(pod, pod["status"]["containerStatuses"][0]["restartCount"])

    async def delete(
        self,
        kind: str,
        namespace: str,
        name: str,
        uid: str,
        grace_s: int | None = None,
        version: str | None = None,
    ) -> bool:
        """Delete an object with preconditions."""

        def do() -> bool:
            found = self.objects.get((kind, name))
            if found is None or found["metadata"]["uid"] != uid:
                return False
            if version not in (None, found["metadata"]["resourceVersion"]):
                raise Conflict(name)
            self.log.append(f"delete {name}")
            self._remove(name)
            return True

        return bool(self._write(do))

    async def evict(self, namespace: str, name: str, uid: str, version: str) -> None:
        """Evict a pod if at most one is not Ready."""

        def do() -> None:
            found = self.objects.get(("Pod", name))
            if found is None:
                raise Missing(name)
            if (uid, version) != (found["metadata"]["uid"], found["metadata"]["resourceVersion"]):
                raise Conflict(name)
            if self.evictions_left == 0 or any(
                self._unready[pod["metadata"]["name"]] > 0 for pod in self.pods()
            ):
                raise Throttled(
                    "POST: 429: Cannot evict pod as it would violate the pod's disruption budget."
                )
            self.evictions_left -= 1
            self.log.append(f"evict {name}")
            self._remove(name)

        self._pass_time()
        self._write(do)

    async def patch_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Object, manager: str
    ) -> Object:
        """Merge fields into the status, one level deep."""
        await asyncio.sleep(0)

        def do() -> Object:
            body = self.objects.get((kind, name))
            if body is None:
                raise Missing(name)
            self.log.append(f"status {kind}")
            body["status"] = _merge(
                body.get("status", {}), {k: v for k, v in status.items() if k != self.forgets}
            )
            body["metadata"]["resourceVersion"] = str(next(self._numbers))
            return copy.deepcopy(body)

        return cast(Object, self._write(do))

    async def create(self, kind: str, body: Object, manager: str) -> Object:
        """Create an event."""
        self._answer()
        self.events.append(f"{body['reason']}: {body['note']}")
        return body

    def _answer(self) -> None:
        if next(self._calls) in self._away:
            raise ClusterError("the API server does not answer")

    def _write(self, do: Callable[[], Any]) -> Any:
        number = next(self._writes)
        if number == self._cut_at and not self._cut_after:
            raise Cut
        call = next(self._calls)
        if call in self._away:
            if call % 2:
                do()
            raise ClusterError("the API server does not answer")
        result = do()
        if number == self._cut_at:
            raise Cut
        return result

    # ------------------------------------------------------------ the links

    def follow(self, key: tuple[str, str], uid: str, listener: Callable[[Object], None]) -> None:
        """Add a listener, and report the callers at once."""
        self.listeners[uid] = listener
        process = None if uid in self.deaf else self.processes.get(uid)
        self._tell(uid, {"t": "holders", "holders": 2, "process": process})

    def unfollow(self, key: tuple[str, str], uid: str, listener: Callable[[Object], None]) -> None:
        """Remove a listener."""
        self.listeners.pop(uid, None)

    def crash(self, key: tuple[str, str], uid: str, process: int) -> None:
        """Forward a crash request to the given process only; the kubelet restarts it."""
        number = next(self._writes)
        if number == self._cut_at and not self._cut_after:
            raise Cut
        pod = next((p for p in self.pods() if p["metadata"]["uid"] == uid), None)
        sent = pod is not None and self.processes.get(uid) == process and uid not in self.deaf
        self._tell(uid, {"t": "crashed", "sent": sent})
        if pod is not None and sent and uid not in self.frozen:
            self.log.append(f"crash {pod['metadata']['name']}")
            self.processes[uid] = process + 1
            self._unready[pod["metadata"]["name"]] = 2
            self._set_ready(pod, pod["status"]["containerStatuses"][0]["restartCount"] + 1)
            self._tell(uid, {"t": "holders", "holders": 0})
        if number == self._cut_at:
            raise Cut

    def _tell(self, uid: str, message: Object) -> None:
        if uid in self.listeners:
            self.listeners[uid](message | {"eureka": "e"})

    # ------------------------------------------------------------ the operator

    def operator(self) -> Context:
        """Return the context of a new operator that has just listed everything."""
        cache = Cache()
        for (kind, _), body in self.objects.items():
            if kind != "ReplicaSet":  # which the operator does not watch
                cache.put(kind, copy.deepcopy(body))
        client, links = cast(Client, self), cast(Links, _Links(self))
        settings = Settings("image", "direct", None, 60.0, allow_delete=self.allow_delete)
        tracer = NoOpTracerProvider().get_tracer("test")
        reach = Reacher("direct", "")
        if self.connected:
            cache.put("Pod", _eureka())
        return Context(
            settings=settings,
            client=client,
            cache=cache,
            executor=Executor(client, cache),
            links=links,
            reach=reach,
            tracer=tracer,
            owners=Owners(client, cache),
            keys=KeyPublisher(client, cache, KEYRING),
            late_reports_s=0.0,
        )


def _eureka() -> Object:
    """Return the pod of the only eureka, for the cache."""
    metadata = {
        "name": "shop-eureka",
        "namespace": NAMESPACE,
        "uid": "e",
        "labels": {"spiko.dev/architecture": SHOP},
    }
    return {"metadata": metadata, "status": {"podIP": "127.0.0.1"}}


def owned_by(kind: str, name: str) -> Object:
    """Return the controller reference to an object of the fake: its UID is `uid-` and its name."""
    version = "spiko.dev/v1alpha1" if kind == "Architecture" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}


class _Links:
    """Adapter: `connected` is a method of links, and a field of the fake."""

    def __init__(self, api: FakeApi) -> None:
        self.follow, self.unfollow, self.crash = api.follow, api.unfollow, api.crash
        self._api = api

    def connected(self, key: tuple[str, str]) -> int:
        """Return the number of connected eurekas."""
        return self._api.connected


def _merge(before: Object, patch: Object) -> Object:
    """Return the result of a JSON merge patch."""
    merged = dict(before)
    for key, value in patch.items():
        if isinstance(value, dict):
            merged[key] = _merge(merged.get(key) or {}, value)
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged

"""An operator over the objects of kube_devserver in memory: defaults, patches and field managers are real."""

from __future__ import annotations

import builtins
import copy
import random
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import yaml
from opentelemetry.trace import NoOpTracerProvider

from kube_devserver.api import verbs
from kube_devserver.api.list_options import select
from kube_devserver.api.options import Options, Target
from kube_devserver.api.verbs import Verbs
from kube_devserver.api_errors import StatusError
from kube_devserver.objects.patches import merge_patch
from kube_devserver.objects.resource_registry import Registry, Resource
from kube_devserver.storage.store import Store
from spiko_nanoservice.contract import Configuration
from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.cluster.owners import Owners
from spiko_operator.cluster.resources import RESOURCES
from spiko_operator.cluster.sockets import Endpoint
from spiko_operator.cluster.write_guard import WriteGuard
from spiko_operator.context import Context
from spiko_operator.errors import (
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    Missing,
    NamespaceTerminating,
    Refused,
)
from spiko_operator.eureka_links import Links
from spiko_operator.eureka_urls import Reacher
from spiko_operator.handlers.architecture import reconcile
from spiko_operator.key_publisher import KeyPublisher
from spiko_operator.plan.health import Verdicts
from spiko_operator.plan.keys import Keyring
from spiko_operator.plan.status import EurekaReport
from spiko_operator.settings import Settings
from tests.support.paths import ROOT

Object = dict[str, Any]
NAMESPACE, KIND = "shops", "Architecture"
KEYRING = Keyring(b"k" * 32)
OWNED = ("Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy")
SETTINGS = Settings("spiko/nanoservice:1", "direct", None, 60.0)
_LABELED = ("ConfigMap", *OWNED)
_ERRORS = {400: Invalid, 403: Forbidden, 404: Missing, 409: Conflict, 422: Invalid}


class StoredApi:
    """The verbs of `Client` on a store; `writes` has every write, as `VERB Kind/name`.

    `refused` has the names of objects whose patches an admission webhook rejects; `added` is merged into
    every written Deployment, as a mutating webhook does; `applied` is called with every applied object as it
    was sent and as it was stored.
    """

    def __init__(self) -> None:
        store = Store(None)
        weakref.finalize(self, store.close)
        self.verbs = Verbs(
            store,
            Registry(),
            lambda: "2026-01-01T00:00:00Z",
            cast(random.SystemRandom, random.Random(1)),
        )
        for path in sorted((ROOT / "crds").glob("*.yaml")):
            self.verbs.registry.define(yaml.safe_load(path.read_text()))
        self.verbs.create(
            self._resource("v1", "namespaces"), "", {"metadata": {"name": NAMESPACE}}, Options()
        )
        self.writes: list[str] = []
        self.events: list[str] = []
        self.pages: list[str] = []
        self.unavailable = False  # for lists of pods
        self.refused: set[str] = set()
        self.added: Object = {}
        self.applied: Callable[[Object, Object], None] = lambda sent, stored: None

    def _resource(self, api_version: str, plural: str) -> Resource:
        group, _, version = api_version.rpartition("/")
        found = self.verbs.registry.find(group, version, plural)
        assert found is not None
        return found

    def target(self, kind: str, name: str, subresource: str = "") -> Target:
        """Return where an object is."""
        place = RESOURCES[kind]
        namespace = NAMESPACE if place.namespaced else ""
        return Target(self._resource(place.api_version, place.plural), namespace, name, subresource)

    def bodies(self, kind: str) -> list[Object]:
        """Return copies of all objects of a kind."""
        found = self.verbs.store.entries(self.target(kind, "").resource.key, NAMESPACE)
        return [copy.deepcopy(entry.body) for entry in found]

    # ------------------------------------------------------------ the client

    async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """Return all objects of a kind; there are no nodes."""
        return [] if kind == "Node" else self.bodies(kind)

    async def first_page(
        self, kind: str, namespace: str, labels: str, fields: str, most: int
    ) -> builtins.list[Object]:
        """Return at most so many objects that both selectors select, and record the request in `pages`."""
        self.pages.append(f"{kind} {labels} {fields} {most}")
        if self.unavailable:
            raise ClusterError("GET /pods: the API server does not answer")
        query = {"labelSelector": labels, "fieldSelector": fields}
        test = select(query, self.target(kind, "").resource, namespace).test
        return [body for body in self.bodies(kind) if test is None or test(body)][:most]

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        """Return one object."""
        return copy.deepcopy(self._ask("GET", lambda: self.verbs.get(self.target(kind, name)).body))

    async def apply(self, body: Object, manager: str) -> Object:
        """Apply an object, server-side."""
        options = Options(manager=manager, force=True)
        at = self.target(body["kind"], body["metadata"]["name"])
        stored = self._write("APPLY", at, lambda: self.verbs.patch(at, verbs.APPLY, body, options)[0])
        self.applied(body, stored)
        return stored

    async def patch(self, body: Object, patch: Object, uid: str, manager: str) -> Object:
        """Merge a patch."""
        at = self.target(body["kind"], body["metadata"]["name"])
        if at.name in self.refused:
            raise Forbidden(
                f"PATCH {at.name}: 403: denied the request", "admission webhook denied the request"
            )
        whole = patch | {"metadata": patch.get("metadata", {}) | {"uid": uid}}
        if body["kind"] == "Deployment":
            whole = merge_patch(whole, self.added)
        options = Options(manager=manager)
        return self._write("PATCH", at, lambda: self.verbs.patch(at, verbs.MERGE, whole, options)[0])

    async def create(self, kind: str, body: Object, manager: str) -> Object:
        """Create an object, or record an event."""
        if kind == "Event":
            self.events.append(f"{body['type']} {body['reason']}: {body['note']}")
            return body
        at, options = self.target(kind, body["metadata"]["name"]), Options(manager=manager)
        return self._write("POST", at, lambda: self.verbs.create(at.resource, NAMESPACE, body, options))

    async def replace(self, kind: str, body: Object, manager: str) -> Object:
        """Replace an object."""
        at, options = self.target(kind, body["metadata"]["name"]), Options(manager=manager)
        return self._write("PUT", at, lambda: self.verbs.update(at, body, options)[0])

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> bool:
        """Delete an object at once: there is no garbage collector that a finalizer could wait for."""
        at = self.target(kind, name)
        self._write(
            "DELETE", at, lambda: self.verbs.delete(at, {"propagationPolicy": "Background"}, Options())[0]
        )
        return True

    async def patch_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Object, manager: str
    ) -> Object:
        """Merge the status."""
        at, options = self.target(kind, name, "status"), Options(manager=manager)
        return self._write(
            "STATUS", at, lambda: self.verbs.patch(at, verbs.MERGE, {"status": status}, options)[0]
        )

    def _write(self, verb: str, at: Target, do: Callable[[], Object]) -> Object:
        written = self._ask(verb, do)
        if self.added and verb == "APPLY" and at.resource.kind == "Deployment":
            written = self.verbs.patch(at, verbs.MERGE, self.added, Options(manager="webhook"))[0]
        self.writes.append(f"{verb} {at.resource.kind}/{at.name}")
        return copy.deepcopy(written)

    def _ask(self, verb: str, do: Callable[[], Object]) -> Object:
        try:
            return do()
        except StatusError as error:
            kind = _ERRORS.get(error.code, Refused)
            causes = (error.details or {}).get("causes") or ()
            if "NamespaceTerminating" in [cause.get("reason") for cause in causes]:
                kind = NamespaceTerminating
            raise kind(f"{verb}: {error.code}: {error}", str(error)) from error


class GuardedApi:
    """The verbs of one of several operators: as `Connection` does, it checks the guard before each write."""

    def __init__(self, api: Any, guard: WriteGuard) -> None:
        self._api, self._guard = api, guard

    def __getattr__(self, name: str) -> Any:
        """Return a verb."""
        verb = getattr(self._api, name)
        if name in ("get", "list", "first_page"):
            return verb

        async def write(*arguments: Any, **options: Any) -> Any:
            self._guard.check()
            return await verb(*arguments, **options)

        return write


class _Links:
    """Eurekas that have every configuration; there are no pods."""

    def __init__(self, configurations: list[Configuration]) -> None:
        self._configurations = configurations

    def configure(self, key: tuple[str, str], configuration: Configuration) -> None:
        """Record the configuration."""
        self._configurations.append(configuration)

    def keep(self, key: tuple[str, str], endpoints: dict[str, Endpoint]) -> None:
        """Do nothing."""

    def forget(self, key: tuple[str, str]) -> None:
        """Do nothing."""

    def reports(self, key: tuple[str, str]) -> tuple[EurekaReport, ...]:
        """Return no reports."""
        return ()

    def verdicts(self, key: tuple[str, str]) -> Verdicts:
        """Return no verdicts."""
        return Verdicts()


class StoredCluster:
    """One Architecture, its operator, and clients that change its objects.

    Args:
        architecture: is created, or replaced.
        settings: of the operator.
        api: has the objects, which other operators may share.
        guard: of the operator's writes.

    Attributes:
        configurations: those that the operator sent to the eurekas, in order.
        now_s: the operator's clock.
        requeue_s: what the last pass returned.
    """

    def __init__(
        self,
        architecture: Object,
        settings: Settings = SETTINGS,
        api: StoredApi | None = None,
        guard: WriteGuard | None = None,
    ) -> None:
        self._settings = settings
        self.api, self.name, self._guard = api or StoredApi(), architecture["metadata"]["name"], guard
        self.configurations: list[Configuration] = []
        self.now_s = 0.0
        self.requeue_s: float | None = None
        self.restart_operator()
        self.put(architecture)

    def restart_operator(self, **settings: Any) -> None:
        """Replace the operator by one that has only listed the objects, with these settings."""
        verbs_of = self.api if self._guard is None else GuardedApi(self.api, self._guard)
        client, self._cache = cast(Client, verbs_of), Cache()
        self._context = Context(
            settings=replace(self._settings, **settings),
            client=client,
            cache=self._cache,
            executor=Executor(client, self._cache),
            links=cast(Links, _Links(self.configurations)),
            reach=Reacher("direct", ""),
            tracer=NoOpTracerProvider().get_tracer("test"),
            owners=Owners(client, self._cache),
            keys=KeyPublisher(client, self._cache, KEYRING),
            monotonic_s=lambda: self.now_s,
        )

    def put(self, architecture: Object) -> None:
        """Create or replace the Architecture."""
        at, options, body = (
            self.api.target(KIND, self.name),
            Options(manager="kubectl"),
            copy.deepcopy(architecture),
        )
        if known := self.api.bodies(KIND):
            body["metadata"]["resourceVersion"] = known[0]["metadata"]["resourceVersion"]
            self.api.verbs.update(at, body, options)
        else:
            self.api.verbs.create(at.resource, NAMESPACE, body, options)

    async def reconcile(self) -> list[str]:
        """Deliver all changes to the operator, run one pass, and return its writes to owned objects."""
        self.deliver()
        self.api.writes.clear()
        await self.run_pass()
        return [write for write in self.api.writes if not write.startswith("STATUS")]

    async def run_pass(self) -> float | None:
        """Run one pass with what the operator has seen; return when it is requeued."""
        self.requeue_s = await reconcile(self._context, (NAMESPACE, self.name))
        return self.requeue_s

    def deliver(self) -> None:
        """Deliver all changes to the operator."""
        version = str(
            max(
                int(b["metadata"]["resourceVersion"])
                for k in ("Architecture", *_LABELED)
                for b in self.api.bodies(k)
            )
        )
        for kind in ("Architecture", *_LABELED):
            labeled = [b for b in self.api.bodies(kind) if kind == "Architecture" or _is_labeled(b)]
            self._cache.compare(kind, labeled, version)

    async def settle(self, passes: int = 4) -> None:
        """Run passes until there are no writes."""
        for _ in range(passes):
            if not await self.reconcile():
                return
        raise AssertionError(f"no rest after {passes} passes: {self.api.writes}")

    def edit(self, kind: str, name: str, patch: Any, media_type: str = verbs.STRATEGIC) -> None:
        """Change an object as `kubectl patch` or `kubectl edit` does."""
        self.api.verbs.patch(
            self.api.target(kind, name), media_type, patch, Options(manager="kubectl-edit", force=True)
        )

    def get(self, kind: str, name: str) -> Object:
        """Return an owned object."""
        return copy.deepcopy(self.api.verbs.get(self.api.target(kind, name)).body)

    def condition(self, type_: str) -> Object:
        """Return a condition of the Architecture."""
        conditions = self.get("Architecture", self.name).get("status", {}).get("conditions", ())
        return next((each for each in conditions if each["type"] == type_), {})

    def owned(self) -> dict[str, Object]:
        """Return what matters of every owned object, by kind and name."""
        found = {}
        for kind in OWNED:
            for body in self.api.bodies(kind):
                metadata = {
                    part: body["metadata"].get(part) for part in ("labels", "annotations", "ownerReferences")
                }
                found[f"{kind}/{body['metadata']['name']}"] = metadata | {"spec": body["spec"]}
        return found


def _is_labeled(body: Object) -> bool:
    return "spiko.dev/architecture" in body["metadata"].get("labels", {})

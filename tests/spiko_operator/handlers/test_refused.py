"""Objects that the API server refuses: the others are applied, the status reports it, and pods get
configurations.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest
from opentelemetry.trace import NoOpTracerProvider

from spiko_nanoservice.contract import Configuration
from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.cluster.owners import Owners
from spiko_operator.cluster.sockets import Endpoint
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError, Forbidden, Invalid, Missing, Refused
from spiko_operator.eureka_links import Links
from spiko_operator.eureka_urls import Reacher
from spiko_operator.handlers.architecture import reconcile
from spiko_operator.key_publisher import KeyPublisher
from spiko_operator.plan.health import Verdicts
from spiko_operator.plan.status import EurekaReport
from spiko_operator.settings import Settings
from tests.support.fake_control_plane import KEYRING

Object = dict[str, Any]
KEY = ("default", "shop")


class Api:
    """Keeps applied objects, except names in `refused`, which a quota forbids, and in `silent`, which get no
    answer.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.events: list[str] = []
        self.refused: set[str] = set()
        self.silent: set[str] = set()
        self.forbidden: set[str] = set()  # kinds that must not be read
        self.nodes: Refused | None = None  # error of a list of nodes
        self.deleted: list[str] = []
        self._version = 1

    def stamp(self, kind: str, body: Object) -> Object:
        """Keep an object with UID, resourceVersion and generation."""
        self._version += 1
        metadata = {
            "uid": f"{kind}/{body['metadata']['name']}",
            "resourceVersion": str(self._version),
            "generation": 1,
        }
        made = self.objects[kind, body["metadata"]["name"]] = copy.deepcopy(body)
        made["metadata"] |= metadata
        return copy.deepcopy(made)

    async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """Return no foreign objects."""
        if kind == "Node" and self.nodes is not None:
            raise self.nodes
        return []

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        """Return a kept object."""
        if kind in self.forbidden:
            raise Forbidden(f"GET {kind} {name}: 403: not allowed to get {kind}")
        if kind == "Namespace":
            return {"metadata": {"name": name, "uid": "uid-namespace"}}
        if (kind, name) not in self.objects:
            raise Missing(name)
        return copy.deepcopy(self.objects[kind, name])

    async def apply(self, body: Object, manager: str) -> Object:
        """Refuse, do not answer, or keep."""
        name = body["metadata"]["name"]
        if name in self.silent:
            raise ClusterError(f"PATCH {name}: the API server does not answer")
        if name in self.refused:
            raise Invalid(f"PATCH {name}: 403: exceeded quota", "exceeded quota")
        return self.stamp(body["kind"], body)

    async def create(self, kind: str, body: Object, manager: str) -> Object:
        """Keep the state, or an event."""
        if kind == "Event":
            self.events.append(f"{body['type']} {body['reason']}: {body['note']}")
            return body
        return await self.apply(body, manager)

    async def replace(self, kind: str, body: Object, manager: str) -> Object:
        """Keep the state."""
        return await self.apply(body, manager)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> bool:
        """Record the deletion."""
        self.deleted.append(name)
        return True

    async def patch_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Object, manager: str
    ) -> Object:
        """Merge the status."""
        body = self.objects[kind, name]
        merged = body.get("status", {}) | status
        return self.stamp(
            kind, body | {"status": {key: value for key, value in merged.items() if value is not None}}
        )


class RecordedLinks:
    """Links that record the configurations for the eurekas."""

    def __init__(self) -> None:
        self.configurations: list[Configuration] = []

    def configure(self, key: tuple[str, str], configuration: Configuration) -> None:
        """Record the configuration."""
        self.configurations.append(configuration)

    def keep(self, key: tuple[str, str], urls: dict[str, Endpoint]) -> None:
        """Do nothing: there are no eurekas."""

    def forget(self, key: tuple[str, str]) -> None:
        """Do nothing: there are no eurekas."""

    def reports(self, key: tuple[str, str]) -> tuple[EurekaReport, ...]:
        """Return no reports."""
        return ()

    def verdicts(self, key: tuple[str, str]) -> Verdicts:
        """Return no verdicts."""
        return Verdicts()


class RunningOperator:
    """An operator's context with these fakes."""

    def __init__(self, api: Api | None = None) -> None:
        self.api, self.links, self.cache = api or Api(), RecordedLinks(), Cache()
        client = cast(Client, self.api)
        self.context = Context(
            settings=Settings("spiko/nanoservice:1", "direct", None, 60.0),
            client=client,
            cache=self.cache,
            executor=Executor(client, self.cache),
            links=cast(Links, self.links),
            reach=Reacher("direct", ""),
            tracer=NoOpTracerProvider().get_tracer("test"),
            owners=Owners(client, self.cache),
            keys=KeyPublisher(client, self.cache, KEYRING),
        )

    def put(self, *tiers: str, name: str = "shop") -> None:
        """Put an Architecture of stores into the cache."""
        services = [
            {"name": tier, "package": "store", "count": 1, "regions": 1, "dependencies": []} for tier in tiers
        ]
        body = {
            "apiVersion": "spiko.dev/v1alpha1",
            "kind": "Architecture",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"services": services},
            "status": self.api.objects.get(("Architecture", name), {}).get("status", {}),
        }
        self.cache.put("Architecture", self.api.stamp("Architecture", body))

    def condition(self, kind: str, name: str = "shop") -> Object:
        """Return one condition."""
        conditions = self.api.objects["Architecture", name].get("status", {}).get("conditions", ())
        return next((each for each in conditions if each["type"] == kind), {})


async def test_refused_object_is_reported_and_others_are_applied() -> None:
    """Given a quota against one Deployment, then all other objects are applied, pods get the configuration,
    and condition and event name the Deployment until it is applied.
    """
    running = RunningOperator()
    running.put("one", "two")
    running.api.refused = {"shop-one-1-0-0-z0"}
    with pytest.raises(Refused, match="refused 1 of the objects"):
        await reconcile(running.context, KEY)

    assert ("Deployment", "shop-two-1-0-0-z0") in running.api.objects
    assert len(running.links.configurations) == 1
    assert ("False", "Refused") == (
        running.condition("Applied")["status"],
        running.condition("Applied")["reason"],
    )
    assert "Deployment shop-one-1-0-0-z0: exceeded quota" == running.condition("Applied")["message"]
    assert "True" == running.condition("Accepted")["status"]
    assert "Warning Refused: Deployment shop-one-1-0-0-z0: exceeded quota" in running.api.events

    running.api.refused = set()
    await reconcile(running.context, KEY)
    assert "True" == running.condition("Applied")["status"]
    assert ("Deployment", "shop-one-1-0-0-z0") in running.api.objects


async def test_replaced_tier_stays_while_its_replacement_is_refused() -> None:
    """Given a tier that replaces another one and is refused, then the replaced tier is not deleted."""
    running = RunningOperator()
    running.put("old")
    await reconcile(running.context, KEY)
    running.put("new")
    running.api.refused = {"shop-new-1-0-0-z0"}
    with pytest.raises(Refused):
        await reconcile(running.context, KEY)
    assert [] == running.api.deleted

    running.api.refused = set()
    await reconcile(running.context, KEY)
    assert "shop-old-1-0-0-z0" in running.api.deleted


async def test_configuration_is_not_sent_if_the_state_is_refused() -> None:
    """Given a state that is refused, then the configuration is not sent: the next operator would use its
    revision for other content.
    """
    running = RunningOperator()
    running.put("one")
    running.api.refused = {"shop-state"}
    with pytest.raises(Refused):
        await reconcile(running.context, KEY)

    assert [] == running.links.configurations
    assert {"Architecture", "Secret"} >= {kind for kind, _ in running.api.objects}
    assert "ConfigMap shop-state: exceeded quota" == running.condition("Applied")["message"]


async def test_unanswered_apply_ends_the_pass_without_a_status() -> None:
    """Given an apply without an answer, then the pass ends, no status is written, and the queue retries."""
    running = RunningOperator()
    running.put("one")
    running.api.silent = {"shop-one-1-0-0-z0"}
    with pytest.raises(ClusterError, match="does not answer"):
        await reconcile(running.context, KEY)

    assert {} == running.condition("Applied")


async def test_zones_are_logical_only_without_permission_to_list_nodes() -> None:
    """Given a busy server, then zones are not chosen, because they never change; given a server that forbids
    to list nodes, they are logical.
    """
    running = RunningOperator()
    running.put("one")
    running.api.nodes = Refused("GET /api/v1/nodes: 503: the server is starting")
    with pytest.raises(ClusterError, match="503"):
        await reconcile(running.context, KEY)
    assert {"Architecture", "Secret"} >= {kind for kind, _ in running.api.objects}

    running.api.nodes = Forbidden("GET /api/v1/nodes: 403: nodes is forbidden")
    await reconcile(running.context, KEY)
    assert ("Deployment", "shop-one-1-0-0-z0") in running.api.objects


@pytest.mark.parametrize("kind", ["Secret", "Namespace"])
async def test_a_missing_right_to_read_is_reported(kind: str) -> None:
    """Given an operator that must not read Secrets or its namespace, then the status says which right is
    missing, nothing is written, and all is applied once it has the right.
    """
    running = RunningOperator()
    running.put("one")
    running.api.forbidden = {kind}
    with pytest.raises(Forbidden):
        await reconcile(running.context, KEY)

    assert f"403: not allowed to get {kind}" in running.condition("Applied")["message"]
    assert {"Architecture"} == {kind for kind, _ in running.api.objects}

    running.api.forbidden = set()
    await reconcile(running.context, KEY)
    assert "True" == running.condition("Applied")["status"]


async def test_a_refused_secret_is_reported_before_anything_is_applied() -> None:
    """Given a Secret that is refused, then the status names it, and no Deployment waits for it."""
    running = RunningOperator()
    running.put("one")
    running.api.refused = {"shop-keys"}
    with pytest.raises(Refused):
        await reconcile(running.context, KEY)

    assert "PATCH shop-keys: 403: exceeded quota" in running.condition("Applied")["message"]
    assert {"Architecture"} == {kind for kind, _ in running.api.objects}

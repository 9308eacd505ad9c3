"""Objects that the API server refuses: the others are made, the status says what was refused, and pods hear of changes all the same."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest
from opentelemetry.trace import NoOpTracerProvider

from spiko_nanoservice.contract import Configuration
from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.context import Context
from spiko_operator.errors import ClusterError, Forbidden, Invalid, Missing, Refused
from spiko_operator.eureka_links import Links
from spiko_operator.eureka_urls import Reacher
from spiko_operator.handlers.architecture import reconcile
from spiko_operator.plan.status import EurekaReport
from spiko_operator.settings import Settings

Object = dict[str, Any]
KEY = ("default", "shop")


class Api:
    """Keeps what is applied, but for the names in `refused`, which a quota forbids, and those in `silent`, which get no answer."""

    def __init__(self) -> None:
        self.made: dict[tuple[str, str], Object] = {}
        self.events: list[str] = []
        self.refused: set[str] = set()
        self.silent: set[str] = set()
        self.nodes: Refused | None = None  # what a list of nodes is answered with
        self.deleted: list[str] = []
        self._version = 1

    def stamp(self, kind: str, body: Object) -> Object:
        """Keep an object with UID, version and generation."""
        self._version += 1
        metadata = {"uid": f"{kind}/{body['metadata']['name']}", "resourceVersion": str(self._version), "generation": 1}
        made = self.made[kind, body["metadata"]["name"]] = copy.deepcopy(body)
        made["metadata"] |= metadata
        return copy.deepcopy(made)

    async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """Nobody else has anything."""
        if kind == "Node" and self.nodes is not None:
            raise self.nodes
        return []

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        """What was made."""
        if (kind, name) not in self.made:
            raise Missing(name)
        return copy.deepcopy(self.made[kind, name])

    async def apply(self, body: Object, manager: str) -> Object:
        """Refuse, keep silent, or keep."""
        name = body["metadata"]["name"]
        if name in self.silent:
            raise ClusterError(f"PATCH {name}: the API server does not answer")
        if name in self.refused:
            raise Invalid(f"PATCH {name}: 403: exceeded quota", "exceeded quota")
        return self.stamp(body["kind"], body)

    async def create(self, kind: str, body: Object, manager: str) -> Object:
        """The memory, or an event."""
        if kind == "Event":
            self.events.append(f"{body['type']} {body['reason']}: {body['note']}")
            return body
        return await self.apply(body, manager)

    async def replace(self, kind: str, body: Object, manager: str) -> Object:
        """The memory."""
        return await self.apply(body, manager)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> bool:
        """Written down only."""
        self.deleted.append(name)
        return True

    async def patch_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Object, manager: str
    ) -> Object:
        """Merge."""
        body = self.made[kind, name]
        merged = body.get("status", {}) | status
        return self.stamp(kind, body | {"status": {key: value for key, value in merged.items() if value is not None}})


class Told:
    """What the eurekas would hear."""

    def __init__(self) -> None:
        self.configurations: list[Configuration] = []

    def configure(self, key: tuple[str, str], configuration: Configuration) -> None:
        """Written down."""
        self.configurations.append(configuration)

    def keep(self, key: tuple[str, str], urls: dict[str, str]) -> None:
        """Nobody is there yet."""

    def reports(self, key: tuple[str, str]) -> tuple[EurekaReport, ...]:
        """Nothing."""
        return ()


class Running:
    """An operator's context around it all."""

    def __init__(self) -> None:
        self.api, self.told, self.cache = Api(), Told(), Cache()
        client = cast(Client, self.api)
        self.context = Context(
            Settings("spiko/nanoservice:1", "direct", None, 60.0), client, self.cache, Executor(client, self.cache),
            cast(Links, self.told), Reacher("direct", ""), NoOpTracerProvider().get_tracer("test"),
        )  # fmt: skip

    def put(self, *tiers: str) -> None:
        """An Architecture of stores."""
        services = [{"name": tier, "package": "store", "count": 1, "regions": 1, "dependencies": []} for tier in tiers]
        body = {
            "apiVersion": "spiko.dev/v1alpha1", "kind": "Architecture", "metadata": {"name": "shop", "namespace": "default"},
            "spec": {"services": services}, "status": self.api.made.get(("Architecture", "shop"), {}).get("status", {}),
        }  # fmt: skip
        self.cache.put("Architecture", self.api.stamp("Architecture", body))

    def condition(self, kind: str) -> Object:
        """One condition."""
        conditions = self.api.made["Architecture", "shop"].get("status", {}).get("conditions", ())
        return next((each for each in conditions if each["type"] == kind), {})


async def test_one_that_is_refused_keeps_nobody_back_and_is_told() -> None:
    """Given a quota against one Deployment, everything else is made, pods hear, the condition and an event name it; later it is well again."""
    running = Running()
    running.put("one", "two")
    running.api.refused = {"shop-one-1-0-0-z0"}
    with pytest.raises(Refused, match="refused 1 objects"):
        await reconcile(running.context, KEY)

    assert ("Deployment", "shop-two-1-0-0-z0") in running.api.made
    assert len(running.told.configurations) == 1
    assert ("False", "Refused") == (running.condition("Applied")["status"], running.condition("Applied")["reason"])
    assert "Deployment shop-one-1-0-0-z0: exceeded quota" == running.condition("Applied")["message"]
    assert "True" == running.condition("Accepted")["status"]
    assert "Warning Refused: Deployment shop-one-1-0-0-z0: exceeded quota" in running.api.events

    running.api.refused = set()
    await reconcile(running.context, KEY)
    assert "True" == running.condition("Applied")["status"]
    assert ("Deployment", "shop-one-1-0-0-z0") in running.api.made


async def test_nothing_is_taken_away_while_what_replaces_it_is_refused() -> None:
    """A tier that is replaced by another one stays until that one is there."""
    running = Running()
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


async def test_a_memory_that_is_refused_is_told_and_nobody_acts_on_it() -> None:
    """What is not remembered is not pushed: the next operator would count its number again, with other content."""
    running = Running()
    running.put("one")
    running.api.refused = {"shop-state"}
    with pytest.raises(Refused):
        await reconcile(running.context, KEY)

    assert [] == running.told.configurations
    assert {"Architecture"} == {kind for kind, _ in running.api.made}
    assert "ConfigMap shop-state: exceeded quota" == running.condition("Applied")["message"]


async def test_a_server_that_does_not_answer_is_no_refusal() -> None:
    """The round ends, nothing is written about it, and the queue comes again."""
    running = Running()
    running.put("one")
    running.api.silent = {"shop-one-1-0-0-z0"}
    with pytest.raises(ClusterError, match="does not answer"):
        await reconcile(running.context, KEY)

    assert {} == running.condition("Applied")


async def test_zones_are_logical_only_if_nodes_may_not_be_seen() -> None:
    """Zones are chosen once and for ever: a server that is busy at that moment must not decide them, one that forbids to look does."""
    running = Running()
    running.put("one")
    running.api.nodes = Refused("GET /api/v1/nodes: 503: the server is starting")
    with pytest.raises(ClusterError, match="503"):
        await reconcile(running.context, KEY)
    assert {"Architecture"} == {kind for kind, _ in running.api.made}

    running.api.nodes = Forbidden("GET /api/v1/nodes: 403: nodes is forbidden")
    await reconcile(running.context, KEY)
    assert ("Deployment", "shop-one-1-0-0-z0") in running.api.made

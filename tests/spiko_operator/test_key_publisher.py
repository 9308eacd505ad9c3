"""The Secrets with keys: written once, checked with every full list, never over those of another owner."""

from __future__ import annotations

import asyncio
import base64
import copy
from typing import Any, cast

import pytest

from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.operator_key import load_operator_key
from spiko_operator.errors import ClusterError, Conflict, Missing
from spiko_operator.key_publisher import KeyPublisher
from spiko_operator.plan.keys import Keyring

Object = dict[str, Any]


class Secrets:
    """An API server that has Secrets and one namespace; `writes` has the names of written Secrets."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.writes: list[str] = []
        self.fails = False
        self.namespaces: dict[str, Object] = {"default": {}}  # metadata by name

    async def get(self, kind: str, namespace: str | None, name: str) -> Object:
        """Return the namespace or a Secret."""
        if self.fails:
            raise ClusterError("no answer")
        if kind == "Namespace":
            if name not in self.namespaces:
                raise Missing(name)
            return {"metadata": {"name": name, "uid": f"uid-{name}", **self.namespaces[name]}}
        if (namespace or "", name) not in self.objects:
            raise Missing(name)
        return copy.deepcopy(self.objects[namespace or "", name])

    async def apply(self, body: Object, manager: str) -> Object:
        """Replace a Secret."""
        metadata = body["metadata"]
        self.writes.append(metadata["name"])
        self.objects[metadata["namespace"], metadata["name"]] = copy.deepcopy(body)
        return body

    async def create(self, kind: str, body: Object, manager: str) -> Object:
        """Create a Secret."""
        key = body["metadata"]["namespace"], body["metadata"]["name"]
        if key in self.objects:
            raise Conflict(key[1])
        self.objects[key] = copy.deepcopy(body)
        return body


class Racing(Secrets):
    """An API server on which another operator creates the key between a read and a create."""

    async def create(self, kind: str, body: Object, manager: str) -> Object:
        """Refuse: the Secret exists by now."""
        other = copy.deepcopy(body)
        other["data"] = {"key": base64.b64encode(b"o" * 32).decode()}
        self.objects[body["metadata"]["namespace"], body["metadata"]["name"]] = other
        raise Conflict("exists")


def make(epoch: int = 1) -> tuple[Secrets, Cache, KeyPublisher]:
    """Return a publisher, and what it works with."""
    api, cache = Secrets(), Cache()
    return api, cache, KeyPublisher(cast(Client, api), cache, Keyring(b"k" * 32, epoch))


def add(cache: Cache, name: str) -> Object:
    """Add an Architecture to the cache."""
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1"}
    body: Object = {"kind": "Architecture", "metadata": metadata}
    cache.put("Architecture", body)
    return body


async def test_secrets_are_written_once_and_again_when_they_differ() -> None:
    """Given published Secrets, then nothing is written until one is changed, deleted, or gets an owner."""
    api, cache, publisher = make()
    shop = add(cache, "shop")
    for _ in range(3):
        assert {} == await publisher.find_foreign(shop)
        await publisher.publish(shop)
    assert ["shop-keys", "spiko-read"] == api.writes
    assert [] == await publisher.verify()

    del api.objects["default", "shop-keys"]
    assert [("default", "shop")] == await publisher.verify()
    await publisher.publish(shop)
    api.objects["default", "spiko-read"]["data"] = {"read": "AAAA"}
    assert [("default", "shop")] == await publisher.verify()
    await publisher.publish(shop)
    assert ["shop-keys", "spiko-read"] == api.writes[2:]

    await publisher.publish(add(cache, "cart"))
    owners = api.objects["default", "spiko-read"]["metadata"]["ownerReferences"]
    assert ["cart", "shop"] == [owner["name"] for owner in owners]


async def test_what_another_user_adds_is_not_written_again() -> None:
    """Given another label, owner and file in a Secret, which an apply would not remove, then it counts as up
    to date.
    """
    api, cache, publisher = make()
    shop = add(cache, "shop")
    await publisher.publish(shop)
    theirs = api.objects["default", "spiko-read"]
    theirs["metadata"]["labels"]["team"] = "a"
    theirs["metadata"]["ownerReferences"].append({"kind": "ConfigMap", "name": "a", "uid": "u"})
    theirs["data"]["more"] = "AAAA"

    assert [] == await publisher.verify()
    await publisher.publish(shop)
    assert ["shop-keys", "spiko-read"] == api.writes


class Slow(Secrets):
    """An API server that takes the longer for a write, the earlier it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self._pauses = iter((0.05, 0.05, *(0.0,) * 10))

    async def apply(self, body: Object, manager: str) -> Object:
        """Wait before the write."""
        await asyncio.sleep(next(self._pauses))
        return await super().apply(body, manager)


async def test_concurrent_passes_leave_every_owner() -> None:
    """Given an Architecture that is created while the Secrets of another one are written, then both own the
    Secret for reading.
    """
    api, cache = Slow(), Cache()
    publisher = KeyPublisher(cast(Client, api), cache, Keyring(b"k" * 32))
    slow = asyncio.create_task(publisher.publish(add(cache, "shop")))
    await asyncio.sleep(0.06)  # the second write of this pass has begun
    await asyncio.gather(publisher.publish(add(cache, "cart")), slow)

    owners = api.objects["default", "spiko-read"]["metadata"]["ownerReferences"]
    assert ["cart", "shop"] == [owner["name"] for owner in owners]


async def test_a_secret_of_another_owner_is_found_before_any_write() -> None:
    """Given a Secret of a user with the name that the Architecture needs, then it is reported without its
    data.
    """
    api, cache, publisher = make()
    theirs = {
        "metadata": {"name": "shop-keys", "namespace": "default", "uid": "u"},
        "data": {"a": "c2VjcmV0"},
    }
    api.objects["default", "shop-keys"] = theirs

    found = await publisher.find_foreign(add(cache, "shop"))

    assert {("Secret", "shop-keys"): {"kind": "Secret", "metadata": theirs["metadata"]}} == found
    assert [] == api.writes


async def test_an_api_server_that_does_not_answer_changes_nothing() -> None:
    """Given a check of the Secrets without an answer, then no Architecture is reconciled for it."""
    api, cache, publisher = make()
    shop = add(cache, "shop")
    await publisher.publish(shop)
    api.fails = True
    assert [] == await publisher.verify()

    api.fails = False
    assert [] == await publisher.verify()
    await publisher.publish(shop)
    assert ["shop-keys", "spiko-read"] == api.writes


@pytest.mark.parametrize("namespaces", [{"default": {"deletionTimestamp": "now"}}, {}])
async def test_keys_of_a_deleted_namespace_are_not_checked(
    namespaces: dict[str, Object], caplog: pytest.LogCaptureFixture
) -> None:
    """Given a published Secret, when its namespace is being deleted, or is gone, then a full list reports no
    difference, and warns of nothing.
    """
    api, cache, publisher = make()
    await publisher.publish(add(cache, "shop"))
    api.namespaces = namespaces

    assert [] == await publisher.verify()
    assert "" == caplog.text


async def test_a_new_epoch_replaces_the_keys() -> None:
    """Given an operator with the next epoch, then it writes the Secrets again."""
    api, cache, publisher = make()
    shop = add(cache, "shop")
    await publisher.publish(shop)
    successor = KeyPublisher(cast(Client, api), cache, Keyring(b"k" * 32, 2))
    assert {} == await successor.find_foreign(shop)
    await successor.publish(shop)

    assert ["shop-keys", "spiko-read"] * 2 == api.writes


async def test_operators_that_start_at_once_have_one_key() -> None:
    """Given two operators that start at once, then both use the key that was created first."""
    api = Secrets()
    first = await load_operator_key(cast(Client, api), "spiko")
    again = await load_operator_key(cast(Client, api), "spiko")

    assert 32 == len(first)
    assert first == again
    assert b"o" * 32 == await load_operator_key(cast(Client, Racing()), "spiko")
    assert api.objects["spiko", "spiko-operator-key"]["immutable"] is True


@pytest.mark.parametrize(
    "data", [{}, None, {"key": 7}, {"key": "!"}, {"key": base64.b64encode(b"x").decode()}]
)
async def test_a_secret_without_a_key_is_an_error_with_the_remedy(data: Any) -> None:
    """Given a Secret that another user made, then the error names it."""
    api = Secrets()
    metadata = {"name": "spiko-operator-key", "namespace": "spiko"}
    api.objects["spiko", "spiko-operator-key"] = {"metadata": metadata, "data": data}

    with pytest.raises(ClusterError, match=r"Secret spiko/spiko-operator-key: data.key: must be 32 bytes"):
        await load_operator_key(cast(Client, api), "spiko")

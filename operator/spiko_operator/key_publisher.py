"""Writes the Secrets with the keys of Architectures, and keeps them as they should be.

Secrets are neither listed nor watched: each is read by name before it is written, and again with every full
list.
"""

from __future__ import annotations

import asyncio
import logging

from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError, Missing, NamespaceTerminating
from spiko_operator.plan.keys import Keyring, is_foreign, is_up_to_date, keys_secret, read_secret
from spiko_operator.plan.names import FIELD_MANAGER, READ_SECRET, keys_name
from spiko_operator.plan.objects import Key, Object, is_deleting, key_of
from spiko_operator.plan.observed import ObjectKey
from spiko_operator.plan.state import digest

log = logging.getLogger("spiko.operator")


class KeyPublisher:
    """The Secrets of all Architectures.

    Args:
        client: of the API server.
        cache: has the Architectures.
        keyring: the operator's key.
    """

    def __init__(self, client: Client, cache: Cache, keyring: Keyring) -> None:
        self._client, self._cache, self.keyring = client, cache, keyring
        self._namespaces: dict[str, str] = {}  # UIDs by name
        self._written: dict[Key, str] = {}  # digests of Secrets that are as they should be
        self._writing = asyncio.Lock()

    async def find_foreign(self, architecture: Object) -> dict[ObjectKey, Object]:
        """Return the Secrets of other owners that have a name which the Architecture needs, without data.

        Raises:
            ClusterError: the API server did not answer.
        """
        foreign: dict[ObjectKey, Object] = {}
        for desired in await self._desired(architecture):
            key = key_of(desired)
            if self._written.get(key) == digest(desired):
                continue
            try:
                found = await self._client.get("Secret", *key)
            except Missing:
                continue
            if is_foreign(found, desired):
                foreign["Secret", key[1]] = {"kind": "Secret", "metadata": found["metadata"]}
            elif is_up_to_date(found, desired):
                self._written[key] = digest(desired)
        return foreign

    async def publish(self, architecture: Object) -> None:
        """Write the Secrets of an Architecture that are not as they should be; none of them is foreign.

        Raises:
            ClusterError: the API server refused a Secret, or did not answer.
        """
        # One pass at a time: a late write of another pass would remove an owner of the Secret for reading.
        async with self._writing:
            for desired in await self._desired(architecture):
                key = key_of(desired)
                if self._written.get(key) != digest(desired):
                    await self._client.apply(desired, FIELD_MANAGER)
                    self._written[key] = digest(desired)

    def forget(self, architecture: Key) -> None:
        """Forget the Secrets of a deleted Architecture; garbage collection deletes them."""
        namespace, name = architecture
        self._written.pop((namespace, keys_name(name)), None)
        self._written.pop((namespace, READ_SECRET), None)
        self._namespaces.pop(namespace, None)

    async def verify(self) -> list[Key]:
        """Read every Secret again; return the Architectures that must be reconciled because one differs."""
        written, self._written = self._written, {}
        self._namespaces.clear()
        differing = []
        for architecture in self._cache.all("Architecture"):
            key = key_of(architecture)
            if (key[0], keys_name(key[1])) not in written:
                continue
            try:
                foreign = await self.find_foreign(architecture)
                desired = await self._desired(architecture)
            except (Missing, NamespaceTerminating):
                continue  # the Secrets end with their namespace
            except ClusterError as error:
                log.warning("the keys of %s/%s cannot be checked: %s", *key, error)
                self._written |= {k: v for k, v in written.items() if k[0] == key[0]}
                continue
            if foreign or any(key_of(body) not in self._written for body in desired):
                differing.append(key)
        return differing

    async def _desired(self, architecture: Object) -> tuple[Object, Object]:
        namespace = architecture["metadata"]["namespace"]
        uid = self._namespaces.get(namespace)
        if uid is None:
            found = await self._client.get("Namespace", None, namespace)
            if is_deleting(found):
                raise NamespaceTerminating(f"namespace {namespace!r} is being deleted")
            uid = self._namespaces[namespace] = found["metadata"]["uid"]
        owners = [
            body
            for body in self._cache.all("Architecture")
            if body["metadata"]["namespace"] == namespace and not is_deleting(body)
        ]
        return keys_secret(self.keyring, architecture, uid), read_secret(self.keyring, namespace, uid, owners)

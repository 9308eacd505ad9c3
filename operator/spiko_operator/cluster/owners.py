"""Finds the Architecture that a pod belongs to by controller references: labels can be set by any user.

The chain is Pod, ReplicaSet, Deployment, Architecture. Deployments are in the cache. ReplicaSets are not
watched, and the controller of one changes only after its Deployment was deleted, so each is read once.
"""

from __future__ import annotations

from collections.abc import Iterable

from spiko_operator.api.architecture import KIND
from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.errors import Missing
from spiko_operator.plan.objects import Object
from spiko_operator.plan.ownership import Owner, owner_of

MOST_REMEMBERED = 10_000


class Owners:
    """Follows controller references.

    Args:
        client: reads ReplicaSets, and Deployments that the cache does not have.
        cache: of the operator.
        most: number of ReplicaSets that are remembered; those read first are forgotten first.
    """

    def __init__(self, client: Client, cache: Cache, most: int = MOST_REMEMBERED) -> None:
        self._client, self._cache, self._most = client, cache, most
        self._deployments: dict[str, Owner] = {}  # by UID of the ReplicaSet

    async def architecture_of(self, pod: Object) -> str | None:
        """Return the UID of the Architecture that a pod belongs to; None if it belongs to none.

        Raises:
            ClusterError: the API server does not answer, or forbids to read ReplicaSets.
        """
        namespace = pod["metadata"]["namespace"]
        replica_set = owner_of(pod, "ReplicaSet")
        if replica_set is None:
            return None
        deployment = self._deployments.get(replica_set.uid)
        body = await self._read("Deployment", namespace, deployment)
        if body is None:  # not read yet, or adopted by another Deployment since
            deployment = await self._controller_of(namespace, replica_set)
            body = await self._read("Deployment", namespace, deployment)
        architecture = owner_of(body, KIND) if body is not None else None
        return architecture.uid if architecture is not None else None

    async def select(self, pods: Iterable[Object], uid: str) -> list[Object]:
        """Return the pods that belong to the Architecture with this UID.

        Raises:
            ClusterError: as `architecture_of`.
        """
        return [pod for pod in pods if await self.architecture_of(pod) == uid]

    async def _controller_of(self, namespace: str, replica_set: Owner) -> Owner | None:
        """Read a ReplicaSet, and return and remember the Deployment that controls it."""
        self._deployments.pop(replica_set.uid, None)
        body = await self._read("ReplicaSet", namespace, replica_set)
        owner = owner_of(body, "Deployment") if body is not None else None
        if owner is not None:
            self._deployments[replica_set.uid] = owner
            if len(self._deployments) > self._most:
                del self._deployments[next(iter(self._deployments))]
        return owner

    async def _read(self, kind: str, namespace: str, owner: Owner | None) -> Object | None:
        """Return the object that a reference names; None if it is gone or another one has its name."""
        if owner is None:
            return None
        body = self._cache.get(kind, namespace, owner.name)
        if body is None or body["metadata"]["uid"] != owner.uid:
            try:
                body = await self._client.get(kind, namespace, owner.name)
            except Missing:
                return None
        return body if body["metadata"]["uid"] == owner.uid else None

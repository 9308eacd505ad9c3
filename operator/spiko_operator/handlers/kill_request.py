"""One request to evict or delete a pod, and whether this request is what ends the pod.

The API server accepts both for a pod that is being deleted already, and its answer does not tell. Therefore
the pod is read before, and the request has the version that was read as a precondition: if it succeeds, no
deletion came before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spiko_operator.api.fault import Method
from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError, Conflict, Missing
from spiko_operator.plan.objects import is_deleting

ATTEMPTS = 5  # of a pod that changes between the two requests


@dataclass(frozen=True)
class KillRequest:
    """A request for one pod.

    Args:
        namespace: of the pod.
        pod: its name.
        uid: its UID.
        method: Evict or Delete.
        grace_s: grace period of a deletion; None for the pod's own.
    """

    namespace: str
    pod: str
    uid: str
    method: Method
    grace_s: int | None = None

    async def send(self, client: Client, before: Callable[[], None]) -> bool:
        """Send the request; return False if the pod is gone or is being deleted already.

        Args:
            client: of the API server.
            before: is called right before the request is sent.

        Raises:
            Throttled: a disruption budget refuses the eviction.
            ClusterError: the API server does not answer; the request may have been executed if `before` was
                called.
        """
        for _ in range(ATTEMPTS):
            try:
                body = await client.get("Pod", self.namespace, self.pod)
                if body["metadata"]["uid"] != self.uid or is_deleting(body):
                    return False
                version = body["metadata"]["resourceVersion"]
                before()
                if self.method == "Delete":
                    return await client.delete(
                        "Pod", self.namespace, self.pod, self.uid, self.grace_s, version
                    )
                await client.evict(self.namespace, self.pod, self.uid, version)
            except Missing:
                return False
            except Conflict:
                continue
            return True
        raise ClusterError(f"pod {self.pod} changes too often to be killed")

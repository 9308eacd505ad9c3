"""All controllers, in the order in which they hear of a change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kube_devserver.api.verbs import Verbs
from kube_devserver.controllers.definitions import Definitions
from kube_devserver.controllers.deployments import Deployments
from kube_devserver.controllers.disruption import Disruption
from kube_devserver.controllers.event_ttl import Expiry
from kube_devserver.controllers.garbage import Garbage
from kube_devserver.controllers.namespaces import SYSTEM_NAMESPACES, Namespaces
from kube_devserver.controllers.node_life import NodeLife
from kube_devserver.controllers.replica_sets import ReplicaSets
from kube_devserver.controllers.scheduler import Scheduler
from kube_devserver.controllers.workqueue import NAMESPACES, Work
from kube_devserver.objects.schema import read_data
from kube_devserver.storage.store import Body, Kind

SERVICES, RBAC = ("", "services"), "rbac.authorization.k8s.io"
KUBERNETES: Body = {
    "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
    "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
}


class Controllers:
    """Makes what is wanted so.

    Args:
        verbs: to write.
        authority: the certificate of the cluster's authority, PEM.
        now: the time, UTC; None asks the clock.
    """

    def __init__(self, verbs: Verbs, authority: str, now: Callable[[], datetime] | None = None) -> None:
        self._work = Work(verbs, now)
        self._definitions = Definitions(self._work)
        parts = (Deployments, ReplicaSets, Scheduler, Disruption, NodeLife, Garbage, Expiry)
        for controller in (self._definitions, Namespaces(self._work, authority), *(part(self._work) for part in parts)):
            self._work.add(controller)

    def prepare(self) -> None:
        """What must be so before the first request: custom kinds are served, the system's namespaces and roles are there."""
        self._definitions.serve_all()
        for name in SYSTEM_NAMESPACES:
            if self._work.body(NAMESPACES, "", name) is None:
                body = {"metadata": {"name": name}}
                self._make(NAMESPACES, "", body)
        for plural, bodies in read_data("roles").items():
            for body in bodies:
                if self._work.body((RBAC, plural), "", body["metadata"]["name"]) is None:
                    self._make((RBAC, plural), "", body)
        if self._work.body(SERVICES, "default", "kubernetes") is None:
            self._make(SERVICES, "default", KUBERNETES)

    def _make(self, kind: Kind, namespace: str, body: Body) -> None:
        self._work.create(kind, namespace, body, "kube-apiserver")

    async def run(self) -> None:
        """Work until cancelled."""
        self._work.start()
        await self._work.run()

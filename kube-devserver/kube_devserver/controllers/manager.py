"""All controllers, in the order in which they handle an event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kube_devserver.api.verbs import Verbs
from kube_devserver.controllers.definitions import Definitions
from kube_devserver.controllers.deployments import Deployments
from kube_devserver.controllers.disruption import Disruption
from kube_devserver.controllers.event_ttl import EventTtl
from kube_devserver.controllers.garbage import Garbage
from kube_devserver.controllers.namespaces import SYSTEM_NAMESPACES, Namespaces
from kube_devserver.controllers.node_life import NodeLife
from kube_devserver.controllers.replica_sets import ReplicaSets
from kube_devserver.controllers.scheduler import Scheduler
from kube_devserver.controllers.workqueue import SPACING_S, Workqueue
from kube_devserver.objects.kinds import NAMESPACES, SERVICES, Body, Kind

KUBERNETES: Body = {
    "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
    "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
}


class Controllers:
    """The controllers of a cluster.

    Args:
        verbs: reads and writes objects.
        authority: the certificate of the cluster's authority, PEM.
        now: returns the time, UTC; None for the system's clock.
    """

    def __init__(self, verbs: Verbs, authority: str, now: Callable[[], datetime] | None = None) -> None:
        self._work = Workqueue(verbs, now)
        self._definitions = Definitions(self._work)
        self._work.add(self._definitions)
        self._work.add(Namespaces(self._work, authority), SPACING_S)
        self._work.add(Deployments(self._work), SPACING_S)
        self._work.add(ReplicaSets(self._work), SPACING_S)
        self._work.add(Scheduler(self._work))
        self._work.add(Disruption(self._work), SPACING_S)
        for controller in (NodeLife, Garbage, EventTtl):
            self._work.add(controller(self._work))

    def prepare(self) -> None:
        """Serve custom kinds, and create the system's namespaces and Service before the first request."""
        self._definitions.serve_all()
        for name in SYSTEM_NAMESPACES:
            self._ensure(NAMESPACES, "", {"metadata": {"name": name}})
        self._ensure(SERVICES, "default", KUBERNETES)

    def _ensure(self, kind: Kind, namespace: str, body: Body) -> None:
        if self._work.get(kind, namespace, body["metadata"]["name"]) is None:
            self._work.create(kind, namespace, body, "kube-apiserver")

    async def run(self) -> None:
        """Reconcile until cancelled."""
        self._work.start()
        await self._work.run()

"""All controllers, in the order in which they hear of a change."""

from __future__ import annotations

from spiko_local.apiserver.verbs import Options, Verbs
from spiko_local.controllers.definitions import Definitions
from spiko_local.controllers.deployments import Deployments
from spiko_local.controllers.disruption import Disruption
from spiko_local.controllers.garbage import Garbage
from spiko_local.controllers.namespaces import Namespaces
from spiko_local.controllers.node_life import NodeLife
from spiko_local.controllers.replica_sets import ReplicaSets
from spiko_local.controllers.scheduler import Scheduler
from spiko_local.controllers.work import NAMESPACES, Work

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class Controllers:
    """Makes what is wanted so."""

    def __init__(self, verbs: Verbs) -> None:
        self._work = Work(verbs)
        self._definitions = Definitions(self._work)
        parts = (Namespaces, Deployments, ReplicaSets, Scheduler, Disruption, NodeLife, Garbage)
        for controller in (self._definitions, *(part(self._work) for part in parts)):
            self._work.add(controller)

    def prepare(self) -> None:
        """What must be so before the first request: custom kinds are served, the system's namespaces are there."""
        self._definitions.serve_all()
        for name in SYSTEM_NAMESPACES:
            if self._work.body(NAMESPACES, "", name) is None:
                body = {"metadata": {"name": name}}
                self._work.verbs.create(self._work.resource(NAMESPACES), "", body, Options(manager="kube-apiserver"))

    async def run(self) -> None:
        """Work until cancelled."""
        self._work.start()
        await self._work.run()

"""Compares the pods that have registered with the pods that the API server has, with every full list.

A client with the join key of an Architecture can register as any pod of it. A registration that the API
server contradicts twice in a row, so that it is not just a pod that started or ended meanwhile, is reported
by the condition PodsVerified and an event.
"""

from __future__ import annotations

import asyncio

from spiko_operator.context import Context
from spiko_operator.plan import names
from spiko_operator.plan.objects import Key, key_of
from spiko_operator.plan.registrations import Registration, contradicted

ANSWER_S = 0.5


class RegistrationCheck:
    """The contradicted registrations of all Architectures.

    Args:
        context: of the operator.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._suspected: dict[Key, frozenset[Registration]] = {}

    async def run(self) -> list[Key]:
        """Check every Architecture; return those for which the contradicted registrations changed.

        Raises:
            ClusterError: the API server does not answer.
        """
        context = self._context
        keys = [key for key in map(key_of, context.cache.all("Architecture")) if context.links.connected(key)]
        answers = await asyncio.gather(*(context.links.registered(key, ANSWER_S) for key in keys))
        self._suspected = {key: found for key, found in self._suspected.items() if key in keys}
        context.unknown_pods = {key: found for key, found in context.unknown_pods.items() if key in keys}
        changed = []
        for key, registered in zip(keys, answers, strict=True):
            pods = await context.client.list("Pod", key[0], f"{names.ARCHITECTURE}={key[1]}")
            suspected = contradicted(registered, pods)
            confirmed = suspected & self._suspected.get(key, frozenset())
            self._suspected[key] = suspected
            if confirmed != context.unknown_pods.get(key, frozenset()):
                context.unknown_pods[key] = confirmed
                changed.append(key)
        return changed

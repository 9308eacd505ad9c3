"""Carries out actions, in order; the first failure ends the round. Every action may be repeated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError, Missing
from spiko_operator.plan.actions import Action, Again, Apply, CreateState, Delete, Emit, ReplaceState, SetStatus
from spiko_operator.plan.names import FIELD_MANAGER

Object = dict[str, Any]
AT_ONCE = 8  # applies under way; the API server takes 4 ms each
log = logging.getLogger("spiko.operator")


class Executor:
    """Sends what planning asked for, and puts what came back into the cache: no need to wait for the watch's echo."""

    def __init__(self, client: Client, cache: Cache) -> None:
        self._client, self._cache = client, cache

    async def carry_out(self, actions: Sequence[Action], resource: Object) -> float | None:
        """Carry out a round; returns in how many seconds to plan again, or None.

        Applies that follow each other are sent together.

        Raises:
            ClusterError: an action failed; the rest was not tried.
        """
        again: float | None = None
        batch: list[Apply] = []
        for action in actions:
            if isinstance(action, Apply):
                batch.append(action)
                continue
            await self._apply_all(batch)
            batch = []
            if isinstance(action, Again):
                again = action.after_s if again is None else min(again, action.after_s)
            else:
                await self._carry_out(action, resource)
        await self._apply_all(batch)
        return again

    async def _apply_all(self, batch: Sequence[Apply]) -> None:
        limit = asyncio.Semaphore(AT_ONCE)

        async def apply(body: Object) -> None:
            async with limit:
                self._cache.put(body["kind"], await self._client.apply(body, FIELD_MANAGER))

        results = await asyncio.gather(*(apply(action.body) for action in batch), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _carry_out(self, action: Action, resource: Object) -> None:
        metadata = resource["metadata"]
        match action:
            case CreateState(body):
                self._cache.put("ConfigMap", await self._client.create("ConfigMap", body, FIELD_MANAGER))
            case ReplaceState(body):
                self._cache.put("ConfigMap", await self._client.replace("ConfigMap", body, FIELD_MANAGER))
            case Delete(kind, namespace, name, uid):
                await self._client.delete(kind, namespace, name, uid)
            case SetStatus(status):
                try:
                    updated = await self._client.patch_status(
                        resource["kind"],
                        metadata["namespace"],
                        metadata["name"],
                        metadata["uid"],
                        status,
                        FIELD_MANAGER,
                    )
                except Missing:
                    return  # deleted meanwhile
                self._cache.put(resource["kind"], updated)
            case Emit():
                await self._emit(action, resource)
            case _:
                raise AssertionError(action)

    async def _emit(self, event: Emit, resource: Object) -> None:
        """Events are for people: one that cannot be written is logged and forgotten."""
        metadata = resource["metadata"]
        now = datetime.now(UTC)
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name']}.{int(now.timestamp() * 1e9):x}",
                "namespace": metadata["namespace"],
            },
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": event.type,
            "reason": event.reason,
            "note": event.message[:1024],
            "action": event.action,
            "regarding": {
                "apiVersion": resource["apiVersion"],
                "kind": resource["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "reportingController": "spiko.dev/operator",
            "reportingInstance": FIELD_MANAGER,
        }
        try:
            await self._client.create("Event", body, FIELD_MANAGER)
        except ClusterError as error:
            log.warning("event %s of %s: %s", event.reason, metadata["name"], error)

"""Executes the actions of a plan, in order. Every action is idempotent.

If the API server refuses an object, because of a quota or an admission webhook, the other objects are applied
all the same. Actions after the applies wait for all of them, so that no object is deleted before its
replacement exists. Any other failure ends the pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.events import Recorder
from spiko_operator.errors import Conflict, Missing, Refused
from spiko_operator.plan.actions import (
    Action,
    Apply,
    CreateState,
    Delete,
    Emit,
    ReplaceState,
    Requeue,
    SetStatus,
)
from spiko_operator.plan.names import FIELD_MANAGER
from spiko_operator.plan.objects import Object
from spiko_operator.plan.state import digest

AT_ONCE = 8  # concurrent applies, of about 4 ms each


@dataclass(frozen=True)
class Applied:
    """The version of an object after the last apply, and the digest of what was applied."""

    uid: str
    generation: int
    digest: str

    @classmethod
    def of(cls, body: Mapping[str, Any], digest: str) -> Applied:
        """Record the version of an applied object; -2 for kinds without a generation, which never matches."""
        return cls(body["metadata"]["uid"], body["metadata"].get("generation", -2), digest)

    def is_of(self, body: Mapping[str, Any]) -> bool:
        """Whether the object's spec is unchanged since."""
        return (self.uid, self.generation) == (
            body["metadata"]["uid"],
            body["metadata"].get("generation", -1),
        )


@dataclass(frozen=True)
class Outcome:
    """The result of a pass.

    Args:
        requeue_s: in how many seconds to plan again, or None.
        refused: a message for each object that the API server refused.
        state_written: whether the state was written: a configuration may be sent only after it was recorded.
    """

    requeue_s: float | None = None
    refused: tuple[str, ...] = ()
    state_written: bool = True


class Executor:
    """Executes actions, and updates the cache from the responses without waiting for the watch."""

    def __init__(self, client: Client, cache: Cache) -> None:
        self._client, self._cache = client, cache
        self._events = Recorder(client)
        self._applied: dict[tuple[str, str, str], Applied] = {}

    async def execute(self, actions: Sequence[Action], resource: Object) -> Outcome:
        """Execute actions in order. Consecutive applies are sent concurrently; a refusal ends the execution.

        Raises:
            ClusterError: an action failed for another reason; later actions were not executed.
        """
        requeue_s: float | None = None
        batch: list[Apply] = []
        for action in actions:
            if isinstance(action, Apply):
                batch.append(action)
                continue
            if refused := await self._apply_all(batch):
                return Outcome(refused=refused)
            batch = []
            if isinstance(action, Requeue):
                requeue_s = action.after_s if requeue_s is None else min(requeue_s, action.after_s)
            elif isinstance(action, CreateState | ReplaceState):
                if refused := await self._write_state(action):
                    return Outcome(refused=refused, state_written=False)
            else:
                await self._execute_one(action, resource)
        return Outcome(requeue_s, await self._apply_all(batch))

    def applied_digest(self, kind: str, body: Object) -> str | None:
        """Return the digest of the last apply if the object was not changed since, else None.

        The API server normalizes quantities, so the object may differ from what was applied.
        """
        applied = self._applied.get(_key(kind, body))
        return applied.digest if applied is not None and applied.is_of(body) else None

    def forget_gone(self) -> None:
        """Forget the applies of objects that no longer exist."""
        self._applied = {
            key: applied for key, applied in self._applied.items() if self._cache.get(*key) is not None
        }

    async def _apply_all(self, batch: Sequence[Apply]) -> tuple[str, ...]:
        limit = asyncio.Semaphore(AT_ONCE)

        async def apply(body: Object) -> str | None:
            async with limit:
                try:
                    applied = await self._client.apply(body, FIELD_MANAGER)
                except Conflict:
                    raise
                except Refused as error:
                    return f"{body['kind']} {body['metadata']['name']}: {error.message}"
            self._applied[_key(body["kind"], applied)] = Applied.of(applied, digest(body))
            self._cache.put(body["kind"], applied)
            return None

        results = await asyncio.gather(*(apply(action.body) for action in batch), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return tuple(result for result in results if isinstance(result, str))

    async def _write_state(self, action: CreateState | ReplaceState) -> tuple[str, ...]:
        body = action.body
        write = self._client.create if isinstance(action, CreateState) else self._client.replace
        try:
            self._cache.put("ConfigMap", await write("ConfigMap", body, FIELD_MANAGER))
        except (Conflict, Missing):
            raise
        except Refused as error:
            return (f"ConfigMap {body['metadata']['name']}: {error.message}",)
        return ()

    async def _execute_one(self, action: Action, resource: Object) -> None:
        metadata = resource["metadata"]
        match action:
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
                    return  # the object was deleted meanwhile
                self._cache.put(resource["kind"], updated)
            case Emit():
                await self._events.emit(action, resource)
            case _:
                raise AssertionError(action)


def _key(kind: str, body: Object) -> tuple[str, str, str]:
    return kind, body["metadata"]["namespace"], body["metadata"]["name"]

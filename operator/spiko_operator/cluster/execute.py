"""Executes the actions of a plan, in order. Every action is idempotent.

If the API server refuses an object, because of a quota or an admission webhook, the other objects are applied
all the same. Actions after the applies wait for all of them, so that no object is deleted before its
replacement exists. Any other failure ends the pass.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.events import Recorder
from spiko_operator.errors import Conflict, Missing, NamespaceTerminating, Refused
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
from spiko_operator.plan.objects import Object, desired_digest
from spiko_operator.rate_limit import TokenBuckets

AT_ONCE = 8  # concurrent applies, of about 4 ms each
# Another controller may insist on its change: after so many restores of an object, one each ten seconds.
RESTORES, RESTORE_REFILL_S = 20, 10.0
MOST_FIELDS = 8  # that a message names
log = logging.getLogger("spiko.operator")


@dataclass(frozen=True)
class Patched:
    """The version of an object after it was patched, and the digest of the desired object."""

    uid: str
    version: str | int
    digest: str | None

    @classmethod
    def of(cls, body: Mapping[str, Any], digest: str | None) -> Patched:
        """Record the version of a patched object."""
        return cls(body["metadata"]["uid"], _version(body), digest)

    def is_of(self, body: Mapping[str, Any]) -> bool:
        """Whether the object's spec is unchanged since."""
        return (self.uid, self.version) == (body["metadata"]["uid"], _version(body))


def _version(body: Mapping[str, Any]) -> str | int:
    """Return the generation; for kinds without one, such as Services, the resourceVersion."""
    metadata = body["metadata"]
    generation: str | int = metadata.get("generation", metadata["resourceVersion"])
    return generation


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
        self._patched: dict[tuple[str, str, str], Patched] = {}
        self._restores = TokenBuckets(RESTORES, RESTORE_REFILL_S)

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
            if refused := await self._apply_all(batch, resource):
                return Outcome(refused=refused)
            batch = []
            if isinstance(action, Requeue):
                requeue_s = action.after_s if requeue_s is None else min(requeue_s, action.after_s)
            elif isinstance(action, CreateState | ReplaceState):
                if refused := await self._write_state(action):
                    return Outcome(refused=refused, state_written=False)
            else:
                await self._execute_one(action, resource)
        return Outcome(requeue_s, await self._apply_all(batch, resource))

    def applied_digest(self, kind: str, body: Object) -> str | None:
        """Return the digest of the desired object at the last patch if the object was not changed since.

        A difference that a patch did not remove is written by the API server or by an admission webhook.
        """
        patched = self._patched.get(_key(kind, body))
        return patched.digest if patched is not None and patched.is_of(body) else None

    def forget_gone(self) -> None:
        """Forget the patches of objects that no longer exist."""
        self._patched = {
            key: patched for key, patched in self._patched.items() if self._cache.get(*key) is not None
        }

    async def _apply_all(self, batch: Sequence[Apply], resource: Object) -> tuple[str, ...]:
        limit = asyncio.Semaphore(AT_ONCE)

        async def apply(action: Apply) -> str | None:
            async with limit:
                try:
                    if action.patch is None:
                        applied = await self._client.apply(action.body, FIELD_MANAGER)
                        self._cache.put(action.body["kind"], applied)
                    else:
                        await self._patch(action, action.patch, resource)
                except (Conflict, NamespaceTerminating):
                    raise
                except Refused as error:
                    return f"{_title(action.body)}: {error.message}"
            return None

        results = await asyncio.gather(*(apply(action) for action in batch), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return tuple(result for result in results if isinstance(result, str))

    async def _patch(self, action: Apply, patch: Object, resource: Object) -> None:
        """Patch an object; log what that restores, and emit an event.

        Raises:
            Refused: another client changes the object again and again.
        """
        body = action.body
        fields = ", ".join(action.restored[:MOST_FIELDS]) + (", …" if action.restored[MOST_FIELDS:] else "")
        if action.restored and not self._restores.take(action.uid, time.monotonic()):
            raise Refused(f"another client changes it again and again: {fields}; restored less often")
        key = _key(body["kind"], body)
        before = self._cache.get(*key)
        try:
            patched = await self._client.patch(body, patch, action.uid, FIELD_MANAGER)
        except Missing:
            return  # the object was deleted meanwhile; the next pass creates it
        self._patched[key] = Patched.of(patched, desired_digest(body))
        self._cache.put(body["kind"], patched)
        if not action.restored or (
            before is not None and _resource_version(patched) == _resource_version(before)
        ):
            return
        text = f"{_title(body)}: restored {fields}, which another client had changed"
        log.warning("%s/%s: %s", resource["metadata"]["namespace"], resource["metadata"]["name"], text)
        await self._events.emit(Emit("Warning", "Restored", text), resource)

    async def _write_state(self, action: CreateState | ReplaceState) -> tuple[str, ...]:
        body = action.body
        write = self._client.create if isinstance(action, CreateState) else self._client.replace
        try:
            self._cache.put("ConfigMap", await write("ConfigMap", body, FIELD_MANAGER))
        except (Conflict, Missing, NamespaceTerminating):
            raise
        except Refused as error:
            return (f"{_title(body)}: {error.message}",)
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


def _title(body: Object) -> str:
    return f"{body['kind']} {body['metadata']['name']}"


def _resource_version(body: Object) -> str | None:
    version: str | None = body["metadata"].get("resourceVersion")
    return version


def _key(kind: str, body: Object) -> tuple[str, str, str]:
    return kind, body["metadata"]["namespace"], body["metadata"]["name"]

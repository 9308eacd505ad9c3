"""Carries out actions, in order. Every action may be repeated.

An object that the API server refuses, for a quota or an admission webhook, does not keep the others back; what comes after the applies waits
for all of them, so that nothing is taken away before what replaces it is there. Anything else that fails ends the round.
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
from spiko_operator.plan.actions import Action, Again, Apply, CreateState, Delete, Emit, ReplaceState, SetStatus
from spiko_operator.plan.names import FIELD_MANAGER
from spiko_operator.plan.state import digest

Object = dict[str, Any]
AT_ONCE = 8  # applies under way; the API server takes 4 ms each


@dataclass(frozen=True)
class Applied:
    """The version of an object that our last apply led to, and the digest of what was applied."""

    uid: str
    generation: int
    wish: str

    @classmethod
    def of(cls, body: Mapping[str, Any], wish: str) -> Applied:
        """The version at hand; -2 for kinds without a generation, which never matches."""
        return cls(body["metadata"]["uid"], body["metadata"].get("generation", -2), wish)

    def is_of(self, body: Mapping[str, Any]) -> bool:
        """Whether nobody has changed the object's spec since."""
        return (self.uid, self.generation) == (body["metadata"]["uid"], body["metadata"].get("generation", -1))


@dataclass(frozen=True)
class Outcome:
    """How a round went.

    `again_s` is in how many seconds to plan again, or None. `refused` says of each object that was not taken what the API server said. `remembered` is
    whether the memory was written: nothing may be told to anybody that is not.
    """

    again_s: float | None = None
    refused: tuple[str, ...] = ()
    remembered: bool = True


class Executor:
    """Sends what planning asked for, and puts what came back into the cache: no need to wait for the watch's echo."""

    def __init__(self, client: Client, cache: Cache) -> None:
        self._client, self._cache = client, cache
        self._events = Recorder(client)
        self._applied: dict[tuple[str, str, str], Applied] = {}

    async def carry_out(self, actions: Sequence[Action], resource: Object) -> Outcome:
        """Carry out a round. Applies that follow each other are sent together; after a refusal nothing more is done.

        Raises:
            ClusterError: an action failed otherwise; the rest was not tried.
        """
        again_s: float | None = None
        batch: list[Apply] = []
        for action in actions:
            if isinstance(action, Apply):
                batch.append(action)
                continue
            if refused := await self._apply_all(batch):
                return Outcome(refused=refused)
            batch = []
            if isinstance(action, Again):
                again_s = action.after_s if again_s is None else min(again_s, action.after_s)
            elif isinstance(action, CreateState | ReplaceState):
                if refused := await self._write_state(action):
                    return Outcome(refused=refused, remembered=False)
            else:
                await self._carry_out(action, resource)
        return Outcome(again_s, await self._apply_all(batch))

    def wish_of(self, kind: str, body: Object) -> str | None:
        """The digest of what was applied last, if nobody has changed the object since: the API server may spell a quantity otherwise."""
        applied = self._applied.get(_key(kind, body))
        return applied.wish if applied is not None and applied.is_of(body) else None

    def forget_gone(self) -> None:
        """Forget what was applied to objects that are no more."""
        self._applied = {key: applied for key, applied in self._applied.items() if self._cache.get(*key) is not None}

    async def _apply_all(self, batch: Sequence[Apply]) -> tuple[str, ...]:
        limit = asyncio.Semaphore(AT_ONCE)

        async def apply(body: Object) -> str | None:
            async with limit:
                try:
                    made = await self._client.apply(body, FIELD_MANAGER)
                except Conflict:
                    raise
                except Refused as error:
                    return f"{body['kind']} {body['metadata']['name']}: {error.said}"
            self._applied[_key(body["kind"], made)] = Applied.of(made, digest(body))
            self._cache.put(body["kind"], made)
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
            return (f"ConfigMap {body['metadata']['name']}: {error.said}",)
        return ()

    async def _carry_out(self, action: Action, resource: Object) -> None:
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
                    return  # deleted meanwhile
                self._cache.put(resource["kind"], updated)
            case Emit():
                await self._events.emit(action, resource)
            case _:
                raise AssertionError(action)


def _key(kind: str, body: Object) -> tuple[str, str, str]:
    return kind, body["metadata"]["namespace"], body["metadata"]["name"]

"""Moves keys between the nodes of a ring in the background.

The rules are in `roles/ring.py`, "Theory of moving".

After every change of the ring a pass begins: confirm the places of the nodes whose place changed, hand over
the keys that other nodes own, and tell those nodes that this one is done. A pass in which a message failed,
or during which the ring changed, is repeated. Keys are examined in small portions, so that requests are not
delayed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from spiko_nanoservice.contract import Instance
from spiko_nanoservice.roles.ring import Entry, RingNode
from spiko_nanoservice.roles.ring_peers import Place
from spiko_nanoservice.routing.hash_ring import Ring
from spiko_nanoservice.tier.handover_message import NO_SLOT, PlaceMessage, pack, portions, unpack
from spiko_nanoservice.wire.request import Request

# Keys that are examined before requests are served again.
KEYS_AT_ONCE = 500
MESSAGES_AT_ONCE = 16
# How long a new owner waits for confirmations: a node that has not confirmed by then may hang. It is less
# than the time for which a
# request to a moving key is repeated.
CONFIRMED_S = 0.5
LEAVE_TIMEOUT_S, CONFIRM_TIMEOUT_S, ENTRIES_TIMEOUT_S = 0.2, 1.0, 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 1.0
# How often `finish` checks the connection to the registry.
CONNECTED_EVERY_S = 0.1
SendHandover = Callable[[Instance, bytes, float], Awaitable[bool]]
"""Instance, body, timeout in seconds -> whether the instance took the message."""


class KeyHandover:
    """One node's part in moving keys.

    Args:
        node: its data and its view of the ring.
        own_id: id of its pod.
        send: sends a message to another node.

    Attributes:
        clean: set while this node holds no keys of other nodes.
    """

    def __init__(self, node: RingNode, own_id: str, send: SendHandover) -> None:
        self._node, self._id, self._send = node, own_id, send
        self._known = node.ring
        # By node: the place that was confirmed, and whether with `done`.
        self._told: dict[str, tuple[Place, bool]] = {}
        self._woken = asyncio.Event()
        self.clean = asyncio.Event()

    def update_ring(self) -> None:
        """Begin a pass if the ring has changed."""
        if self._node.ring is not self._known:
            self._known = self._node.ring
            self._wake()

    def take(self, request: Request) -> None:
        """Answer the message of another node."""
        try:
            message, entries = unpack(request.body)
        except ValueError as error:
            request.reply(400, f"{error}\n".encode())
            return
        peers = self._node.peers
        taken = not entries or self._node.take(entries, message.place)
        if taken:
            peers.confirm(message.sender, message.place, message.done)
        if message.leaves:
            peers.expect_leave(message.sender)
        if message.gone:
            peers.remove_departed(message.sender)
        request.reply(*((200, b"") if taken else (503, b"moving\n")))

    async def run(self) -> None:
        """Move keys until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            await self._woken.wait()
            self._woken.clear()
            if await self._pass(self._node.ring):
                pause_s = FIRST_PAUSE_S
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
            self._woken.set()

    async def announce_leave(self) -> None:
        """Tell all nodes that this one is about to leave.

        A node that does not answer at once is not waited for.
        """
        ring = self._node.ring
        slots = {holder.id: slot for slot, holder in enumerate(ring.holders) if holder is not None}
        messages = []
        for to in ring.members.values():
            place = ring.size, slots.get(to.id, NO_SLOT)
            done = self._told.get(to.id) == (place, True)
            messages.append((to, pack(PlaceMessage(self._id, place, done, leaves=True))))
        await asyncio.gather(*(self._send(to, message, LEAVE_TIMEOUT_S) for to, message in messages))
        self._node.peers.leave()
        self._wake()

    async def finish(self, limit_s: float, connected: Callable[[], bool]) -> None:
        """Wait until other nodes have all keys.

        Args:
            limit_s: the longest wait.
            connected: whether the registry is connected, which reports the node that gets this node's slot;
                ends the wait if not.
        """
        node, loop = self._node, asyncio.get_running_loop()
        end = loop.time() + limit_s
        while node.values and node.ring.size and connected() and loop.time() < end:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CONNECTED_EVERY_S):
                    await self.clean.wait()
        node.peers.resign()
        if not node.values:
            await self._confirm_places(node.ring, done=True, unfinished=set(), gone=True)

    def _wake(self) -> None:
        self.clean.clear()
        self._woken.set()

    async def _pass(self, ring: Ring) -> bool:
        """Confirm places and hand over keys.

        Returns:
            False if a message failed. Keys of a vacant slot wait for the next change of the ring; they are no
            failure.
        """
        node = self._node
        asyncio.get_running_loop().call_later(CONFIRMED_S, node.peers.stop_waiting, ring)
        all_told = await self._confirm_places(ring, done=False, unfinished=set())
        unfinished: set[int] = set()
        keys = list(node.values)
        for start in range(0, len(keys), KEYS_AT_ONCE):
            for slot, entries in node.misplaced(keys[start : start + KEYS_AT_ONCE]).items():
                if not await self._hand_over(ring, slot, entries):
                    unfinished.add(slot)
            if node.ring is not ring:
                self._woken.set()
                return True
            await asyncio.sleep(0)
        all_told = await self._confirm_places(ring, done=True, unfinished=unfinished) and all_told
        if not unfinished and all_told and not self._woken.is_set():
            self.clean.set()
        return all_told and all(ring.holders[slot] is None for slot in unfinished)

    async def _confirm_places(self, ring: Ring, done: bool, unfinished: set[int], gone: bool = False) -> bool:
        """Tell every node at which place this one sees it, and return whether all nodes answered.

        A node that was told before is skipped.

        Args:
            ring: the ring that the places are of.
            done: this node holds no more keys for the nodes that are told.
            unfinished: slots whose nodes are not told, because this node still holds keys for them.
            gone: this node's process ends; then every node is told.
        """
        self._told = {id: told for id, told in self._told.items() if id in ring.members}
        due = []
        for slot, holder in enumerate(ring.holders):
            if holder is not None and slot not in unfinished:
                place = ring.size, slot
                if gone or self._told.get(holder.id) not in ((place, True), (place, done)):
                    due.append((holder, place))
        all_answered = True
        for start in range(0, len(due), MESSAGES_AT_ONCE):
            portion = due[start : start + MESSAGES_AT_ONCE]
            sent = [
                self._send(to, pack(PlaceMessage(self._id, place, done, gone=gone)), CONFIRM_TIMEOUT_S)
                for to, place in portion
            ]
            for (to, place), answered in zip(portion, await asyncio.gather(*sent), strict=True):
                all_answered = all_answered and answered
                if answered:
                    self._told[to.id] = place, done
        return all_answered

    async def _hand_over(self, ring: Ring, slot: int, entries: list[Entry]) -> bool:
        """Hand entries over to the node of a slot; return whether it has all of them."""
        holder = ring.holders[slot]
        if holder is None:
            return False
        for portion in portions(entries):
            body = pack(PlaceMessage(self._id, (ring.size, slot), False), portion)
            if not await self._send(holder, body, ENTRIES_TIMEOUT_S):
                return False
            self._node.drop_handed_over(portion)
        return True

"""Moving keys between the nodes of a ring, in the background: what a place's change means is in `roles/ring.py`, here it is carried out.

After every change of the table a round begins: tell those whose place changed that it was *seen*, hand over what is theirs, tell them that
we are *done*. A round that something failed in comes again, and so does one during which the ring changed.

A message is a line of JSON (`from`, `size`, `slot`, `done`, `leaves`, `gone`) and after it any number of entries: lengths of key and value, time of the write,
key, value. Keys are looked through in small portions, so requests do not wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

from spiko_nanoservice.contract import Instance
from spiko_nanoservice.roles.ring import Entry, Place, RingNode
from spiko_nanoservice.routing.hash_ring import Ring
from spiko_nanoservice.wire.http_server import Request

MOST_BYTES = 262_144  # of entries in one message, but for a single one that is larger
AT_ONCE = 500  # keys looked at before requests get their turn
TALKS = 16  # messages on their way at once
SEEN_S = (
    0.5  # who has not seen our place by then may hang, and a vacant slot stays vacant; less than what a request waits
)
WARN_S, SAY_S, HAND_S = 0.2, 1.0, 5.0
NOWHERE = -1  # the slot of a spare, where a word needs one
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 1.0
_HEAD = struct.Struct("!IIQ")
Send = Callable[[Instance, bytes, float], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Word:
    """What one node tells another: what place that has in its view, whether it is done with it, whether it is about to leave, or ends now."""

    sender: str
    place: Place
    done: bool
    leaves: bool = False
    gone: bool = False


def pack(word: Word, entries: Iterable[Entry] = ()) -> bytes:
    """One message: a word, and keys that are its receiver's own."""
    size, slot = word.place
    said = {
        "from": word.sender,
        "size": size,
        "slot": slot,
        "done": word.done,
        "leaves": word.leaves,
        "gone": word.gone,
    }
    head = json.dumps(said).encode()
    parts = [_HEAD.pack(len(key), len(value), written_us) + key + value for key, value, written_us in entries]
    return b"\n".join((head, b"".join(parts)))


def unpack(body: bytes) -> tuple[Word, list[Entry]]:
    """Read what `pack` wrote.

    Raises:
        ValueError: it is something else.

    """
    head, _, rest = body.partition(b"\n")
    try:
        said = json.loads(head)
        place = int(said["size"]), int(said["slot"])
        flags = [said[name] is True for name in ("done", "leaves", "gone")]
        return Word(str(said["from"]), place, *flags), list(_entries(rest))
    except (KeyError, TypeError, struct.error) as error:
        raise ValueError(f"no handover: {error!r}") from error


def _entries(data: bytes) -> Iterator[Entry]:
    at = 0
    while at < len(data):
        keys, values, written_us = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + keys + values > len(data):
            raise ValueError("no handover: it ends within an entry")
        yield data[at : at + keys], data[at + keys : at + keys + values], written_us
        at += keys + values


class Mover:
    """One node's part in it.

    Args:
        node: its data, and its view of the ring.
        own_id: its pod.
        send: how a message gets to another node; says whether it was taken.

    """

    def __init__(self, node: RingNode, own_id: str, send: Send) -> None:
        self._node, self._id, self._send = node, own_id, send
        self._known = node.ring
        self._said: dict[str, tuple[Place, bool]] = {}
        self._woken = asyncio.Event()
        self.clean = asyncio.Event()  # nothing is left here that belongs to others

    def learned(self) -> None:
        """The table has changed, and maybe the ring."""
        if self._node.ring is not self._known:
            self._known = self._node.ring
            self.wake()

    def wake(self) -> None:
        """There is something to do."""
        self.clean.clear()
        self._woken.set()

    def take(self, request: Request) -> None:
        """Another node has sent a message."""
        try:
            word, entries = unpack(request.body)
        except ValueError as error:
            request.reply(400, f"{error}\n".encode())
            return
        taken = not entries or self._node.take(entries, word.place)
        if taken:
            self._node.hear(word.sender, word.place, word.done)
        if word.leaves:
            self._node.warn(word.sender)
        if word.gone:
            self._node.absent(word.sender)
        request.reply(*((200, b"") if taken else (503, b"moving\n")))

    async def run(self) -> None:
        """Work until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            await self._woken.wait()
            self._woken.clear()
            if await self._round(self._node.ring):
                pause_s = FIRST_PAUSE_S
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
            self._woken.set()

    async def warn(self) -> None:
        """We are about to leave: say so to all, and wait for nobody that does not hear at once."""
        ring = self._node.ring
        slots = {holder.id: slot for slot, holder in enumerate(ring.holders) if holder is not None}
        words = []
        for to in ring.members.values():
            place = ring.size, slots.get(to.id, NOWHERE)
            words.append((to, pack(Word(self._id, place, self._said.get(to.id) == (place, True), leaves=True))))
        await asyncio.gather(*(self._send(to, word, WARN_S) for to, word in words))
        self._node.leave()
        self.wake()

    async def finish(self, limit_s: float, in_touch: Callable[[], bool]) -> None:
        """Before the end: wait until others have all keys, at most `limit_s`, and while the registry can tell us who has our slot now."""
        node, loop = self._node, asyncio.get_running_loop()
        end = loop.time() + limit_s
        while node.values and node.ring.size and in_touch() and loop.time() < end:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):  # how soon it is seen that the registry has gone
                    await self.clean.wait()
        node.resign()
        if not node.values:
            await self._say(node.ring, done=True, unfinished=set(), gone=True)

    async def _round(self, ring: Ring) -> bool:
        """True if all that could be done was: what belongs to a slot that nobody has waits for the next change."""
        node = self._node
        asyncio.get_running_loop().call_later(SEEN_S, node.give_up_waiting, ring)
        whole = await self._say(ring, done=False, unfinished=set())
        unfinished: set[int] = set()
        keys = list(node.values)
        for start in range(0, len(keys), AT_ONCE):
            for slot, entries in node.misplaced(keys[start : start + AT_ONCE]).items():
                if not await self._hand(ring, slot, entries):
                    unfinished.add(slot)
            if node.ring is not ring:
                self._woken.set()
                return True
            await asyncio.sleep(0)
        whole = await self._say(ring, done=True, unfinished=unfinished) and whole
        if not unfinished and whole and not self._woken.is_set():
            self.clean.set()
        return whole and all(ring.holders[slot] is None for slot in unfinished)

    async def _say(self, ring: Ring, done: bool, unfinished: set[int], gone: bool = False) -> bool:
        """Tell every node what place it has in our view, unless it has heard; True if all have."""
        self._said = {id: said for id, said in self._said.items() if id in ring.members}
        due = []
        for slot, holder in enumerate(ring.holders):
            if holder is not None and slot not in unfinished:
                place = ring.size, slot
                if gone or self._said.get(holder.id) not in ((place, True), (place, done)):
                    due.append((holder, place))
        answered = True
        for start in range(0, len(due), TALKS):
            portion = due[start : start + TALKS]
            sent = [self._send(to, pack(Word(self._id, place, done, gone=gone)), SAY_S) for to, place in portion]
            for (to, place), heard in zip(portion, await asyncio.gather(*sent), strict=True):
                answered = answered and heard
                if heard:
                    self._said[to.id] = place, done
        return answered

    async def _hand(self, ring: Ring, slot: int, entries: list[Entry]) -> bool:
        """Hand entries over to the slot's node; True if it has them all."""
        holder = ring.holders[slot]
        if holder is None:
            return False
        for portion in portions(entries):
            if not await self._send(holder, pack(Word(self._id, (ring.size, slot), False), portion), HAND_S):
                return False
            self._node.handed(portion)
        return True


def portions(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Entries by messages: as many as fit, but one at least."""
    portion: list[Entry] = []
    size = 0
    for entry in entries:
        size += _HEAD.size + len(entry[0]) + len(entry[1])
        if portion and size > MOST_BYTES:
            yield portion
            portion, size = [], len(entry[0]) + len(entry[1])
        portion.append(entry)
    yield portion

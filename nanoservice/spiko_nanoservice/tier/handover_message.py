"""Pure: the message with which one node of a ring confirms another node's place and hands over keys.

A message is a line of JSON (`from`, `size`, `slot`, `done`, `leaves`, `gone`), followed by any number of
entries: lengths of key and value, time of the write, key, value.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spiko_nanoservice.roles.ring import Entry
from spiko_nanoservice.roles.ring_peers import Place

# Of entries in one message, except for a single entry that is larger.
MOST_BYTES = 262_144
NO_SLOT = -1  # stands for the slot of a spare
_HEAD = struct.Struct("!IIQ")


@dataclass(frozen=True, slots=True)
class PlaceMessage:
    """What one node tells another.

    Attributes:
        sender: id of the sending pod.
        place: the place at which the sender sees the receiver.
        done: the sender holds no more keys for that place.
        leaves: the sender is about to leave the ring.
        gone: the sender's process ends, and it has no keys left.
    """

    sender: str
    place: Place
    done: bool
    leaves: bool = False
    gone: bool = False


def pack(message: PlaceMessage, entries: Iterable[Entry] = ()) -> bytes:
    """Return the body of a handover with these entries, whose owner is the receiver."""
    size, slot = message.place
    fields = {
        "from": message.sender,
        "size": size,
        "slot": slot,
        "done": message.done,
        "leaves": message.leaves,
        "gone": message.gone,
    }
    head = json.dumps(fields).encode()
    parts = [_HEAD.pack(len(key), len(value), written_us) + key + value for key, value, written_us in entries]
    return b"\n".join((head, b"".join(parts)))


def unpack(body: bytes) -> tuple[PlaceMessage, list[Entry]]:
    """Return what `pack` encoded.

    Raises:
        ValueError: the body is not a handover.
    """
    head, _, rest = body.partition(b"\n")
    try:
        fields = json.loads(head)
        place = int(fields["size"]), int(fields["slot"])
        flags = [fields[name] is True for name in ("done", "leaves", "gone")]
        return PlaceMessage(str(fields["from"]), place, *flags), list(_entries(rest))
    except (KeyError, TypeError, struct.error) as error:
        raise ValueError(f"not a handover: {error!r}") from error


def portions(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Yield entries by message: as many as fit, but at least one."""
    portion: list[Entry] = []
    size = 0
    for entry in entries:
        size += _HEAD.size + len(entry[0]) + len(entry[1])
        if portion and size > MOST_BYTES:
            yield portion
            portion, size = [], len(entry[0]) + len(entry[1])
        portion.append(entry)
    yield portion


def _entries(data: bytes) -> Iterator[Entry]:
    at = 0
    while at < len(data):
        key_bytes, value_bytes, written_us = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        end = at + key_bytes + value_bytes
        if end > len(data):
            raise ValueError("not a handover: it ends within an entry")
        yield data[at : at + key_bytes], data[at + key_bytes : end], written_us
        at = end

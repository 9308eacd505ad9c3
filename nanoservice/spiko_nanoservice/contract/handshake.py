"""Pure: how the two sides of a WebSocket to a eureka prove that they hold the same key.

The eureka sends a challenge; the client answers with a proof and a challenge of its own; the eureka proves
itself in turn. A proof is an HMAC over both nonces, the purpose, and the address of the eureka as the client
dialed it: a pod that poses as a eureka can neither answer nor relay a proof. Keys never leave either side.

Each key has an epoch. A eureka accepts every epoch in its key file, and the client uses the highest one that
both sides have, so keys can be rotated while pods run.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from spiko_nanoservice.contract.bounds import Items, Range
from spiko_nanoservice.contract.encoding import decode
from spiko_nanoservice.contract.errors import ContractError
from spiko_nanoservice.contract.json_text import parse_object

NONCE_BYTES = 16
KEY_BYTES = 32
MOST_EPOCH = 1_000_000
_HEX = re.compile(r"[0-9a-f]+")
_EpochNumber = Annotated[int, Range(0, MOST_EPOCH)]


class Purpose(StrEnum):
    """What a client may do after its proof."""

    JOIN = "join"  # a pod registers
    PEER = "peer"  # a eureka reports its entries to another one
    CONTROL = "control"  # the operator configures
    READ = "read"  # a user reads counters and edges


# The file of each purpose's keys. Only eurekas have the control key, so it also proves a eureka.
KEY_FILES = {Purpose.JOIN: "join", Purpose.PEER: "control", Purpose.CONTROL: "control", Purpose.READ: "read"}


@dataclass(frozen=True)
class EpochKey:
    """A key and its epoch. Its representation does not show the key."""

    epoch: int
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Challenge:
    """The first message of a eureka: its nonce, and the epochs of the keys that it accepts."""

    nonce: str
    epochs: Annotated[tuple[_EpochNumber, ...], Items(2)]


@dataclass(frozen=True)
class Proof:
    """The answer of a client: its nonce, and the HMAC under the key of one epoch."""

    nonce: str
    epoch: _EpochNumber
    mac: str


@dataclass(frozen=True)
class Admission:
    """The answer of a eureka to a valid proof: its own HMAC."""

    mac: str


def render_keys(keys: Sequence[EpochKey]) -> str:
    """Return the content of a key file: a JSON object of epochs and keys in hexadecimal."""
    return json.dumps({str(key.epoch): key.key.hex() for key in keys})


def parse_keys(text: str) -> tuple[EpochKey, ...]:
    """Return the keys of a key file, the highest epoch first. Raises ContractError, which shows no key."""
    found = []
    for epoch, key in parse_object(text).items():
        if not epoch.isdecimal() or len(epoch) > 7 or not _is_hex(key, KEY_BYTES):
            raise ContractError("key file: must be an object of epochs and keys of 32 bytes in hexadecimal")
        found.append(EpochKey(int(epoch), bytes.fromhex(key)))
    return tuple(sorted(found, key=lambda key: -key.epoch)[:2])


def make_challenge(keys: Sequence[EpochKey], nonce: str) -> Challenge:
    """Return a eureka's challenge."""
    return Challenge(nonce, tuple(key.epoch for key in keys))


def prove(
    message: Any, purpose: Purpose, address: str, keys: Sequence[EpochKey], nonce: str
) -> tuple[Proof, Admission]:
    """Answer a challenge.

    Args:
        message: the challenge as it was received.
        purpose: what the client wants to do.
        address: of the eureka, as the client dialed it.
        keys: of the client.
        nonce: of the client, fresh: 32 hexadecimal digits.

    Returns:
        The proof, and the admission that only a eureka with the same key can send.

    Raises:
        ContractError: the challenge is invalid, or both sides have no epoch in common.
    """
    challenge = decode(Challenge, message)
    _check_nonce(challenge.nonce)
    key = next((key for key in keys if key.epoch in challenge.epochs), None)
    if key is None:
        mine = ", ".join(str(key.epoch) for key in keys) or "none"
        theirs = ", ".join(map(str, challenge.epochs)) or "none"
        raise ContractError(f"no key in common: epochs here {mine}, at the eureka {theirs}")
    parts = (purpose, address, challenge.nonce, nonce)
    return Proof(nonce, key.epoch, _mac(key, "client", *parts)), Admission(_mac(key, "eureka", *parts))


def check(
    message: Any, purpose: Purpose, address: str, keys: Sequence[EpochKey], challenge: Challenge
) -> Admission:
    """Check the proof of a client, in constant time, and return the answer.

    Args:
        message: the proof as it was received.
        purpose: what the client wants to do.
        address: of this eureka.
        keys: of this eureka.
        challenge: that was sent on this connection.

    Raises:
        ContractError: the proof is invalid.
    """
    proof = decode(Proof, message)
    _check_nonce(proof.nonce)
    key = next((key for key in keys if key.epoch == proof.epoch), None)
    parts = (purpose, address, challenge.nonce, proof.nonce)
    if key is None or not _is_equal(proof.mac, _mac(key, "client", *parts)):
        raise ContractError("proof: not valid for this eureka and purpose")
    return Admission(_mac(key, "eureka", *parts))


def is_genuine(message: Any, expected: Admission) -> bool:
    """Return whether a eureka's answer proves that it has the client's key."""
    try:
        return _is_equal(decode(Admission, message).mac, expected.mac)
    except ContractError:
        return False


def parse_answer(text: str | bytes, kind: str) -> dict[str, Any]:
    """Return a eureka's message, which must be of this kind. Raises ContractError, also for a refusal."""
    message = parse_object(text)
    if message.get("t") == "refused":
        raise ContractError(f"the eureka refuses the connection: {str(message.get('message'))[:200]!r}")
    if message.get("t") != kind:
        raise ContractError(f"{str(message.get('t'))[:32]!r}: expected {kind!r}")
    return message


def _check_nonce(nonce: str) -> None:
    if not _is_hex(nonce, NONCE_BYTES):
        raise ContractError(f"nonce: must be {2 * NONCE_BYTES} hexadecimal digits")


def _is_hex(text: object, size: int) -> bool:
    return isinstance(text, str) and len(text) == 2 * size and _HEX.fullmatch(text) is not None


def _is_equal(received: str, expected: str) -> bool:
    # Other characters cannot be compared, and JSON has lone surrogates, which cannot even be encoded.
    return received.isascii() and hmac.compare_digest(received, expected)


def _mac(key: EpochKey, side: str, purpose: str, address: str, nonce: str, own_nonce: str) -> str:
    text = json.dumps([side, purpose, key.epoch, _canonical(address), nonce, own_nonce])
    return hmac.new(key.key, text.encode(), hashlib.sha256).hexdigest()


def _canonical(address: str) -> str:
    """Return an address in its one canonical spelling; the text itself if it is not an address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, address))
    except (OSError, ValueError):
        return address

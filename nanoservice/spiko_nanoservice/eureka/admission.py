"""Admits clients to a eureka: at most so many at a time, and only after a valid proof."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import ContractError, encode, parse_object
from spiko_nanoservice.contract.handshake import NONCE_BYTES, Purpose, check, make_challenge
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.messages import Message
from spiko_nanoservice.wire.key_files import KeyFiles
from spiko_nanoservice.wire.websocket import WebSocket

# How long a client may take for its proof: longer than a eureka is busy when 1,000 pods register at once.
PROOF_S = 10.0
# Handshakes in progress: of all clients, and of one address. A pod has at most one with each eureka; all
# users of the API server's proxy share an address.
MOST_PENDING, MOST_PENDING_OF_ADDRESS = 1_024, 32
# Sessions of one purpose. One eureka serves up to 1,000 pods, and those of other zones in an outage.
MOST_SESSIONS = {Purpose.JOIN: 4_096, Purpose.PEER: 128, Purpose.CONTROL: 32, Purpose.READ: 64}
# A proof has about 150 bytes.
MOST_PROOF_BYTES = 4_096
LOG_EVERY_S = 10.0
log = logging.getLogger("spiko.eureka")


class Gate:
    """Checks proofs and counts connections.

    Args:
        keys: of this eureka.
        address: of this eureka, at which clients must have dialed it.

    Attributes:
        refused: number of connections that were refused.
        proof_s: how long a client may take for its proof, seconds.
    """

    def __init__(self, keys: KeyFiles, address: str) -> None:
        self._keys, self._address = keys, address
        self._pending: Counter[str] = Counter()
        self._sessions: Counter[Purpose] = Counter()
        # Clients that have not proved themselves yet, the oldest first.
        self._waiting: dict[WebSocket, None] = {}
        self._logged_s = 0.0
        self.refused = 0
        self.proof_s = PROOF_S

    def reserve(self, purpose: Purpose, source: str) -> bool:
        """Return whether one more connection from an address may begin; if so, `admit` must follow.

        If too many clients wait, the one that has waited longest makes room: a genuine client needs
        milliseconds.
        """
        free = (
            self._pending[source] < MOST_PENDING_OF_ADDRESS
            and self._sessions[purpose] < MOST_SESSIONS[purpose]
        )
        if free:
            self._pending[source] += 1
            if self._pending.total() > MOST_PENDING and self._waiting:
                oldest = next(iter(self._waiting))
                del self._waiting[oldest]
                oldest.close()
        else:
            self.refused += 1
        return free

    @contextmanager
    def session(self, purpose: Purpose) -> Iterator[None]:
        """Count a session for the duration of the context."""
        self._sessions[purpose] += 1
        try:
            yield
        finally:
            self._sessions[purpose] -= 1

    async def admit(self, socket: WebSocket, purpose: Purpose, source: str) -> bool:
        """Demand a proof from a new client and return whether it is valid; a refusal has the reason."""
        self._waiting[socket] = None
        try:
            async with asyncio.timeout(self.proof_s):
                await self._exchange(socket, purpose)
                return True
        except (ContractError, LinkError, TimeoutError) as error:
            self._refuse(socket, purpose, source, str(error) or f"no proof within {self.proof_s:g} s")
            return False
        finally:
            self._waiting.pop(socket, None)
            self._pending[source] -= 1
            if not self._pending[source]:
                del self._pending[source]

    async def _exchange(self, socket: WebSocket, purpose: Purpose) -> None:
        keys = self._keys.read(purpose)
        challenge = make_challenge(keys, os.urandom(NONCE_BYTES).hex())
        socket.send({"t": m.CHALLENGE, **encode(challenge)})
        admission = check(await _receive(socket), purpose, self._address, keys, challenge)
        socket.send({"t": m.ADMITTED, **encode(admission)})

    def _refuse(self, socket: WebSocket, purpose: Purpose, source: str, reason: str) -> None:
        self.refused += 1
        now = asyncio.get_running_loop().time()
        if now >= self._logged_s + LOG_EVERY_S or self.refused == 1:
            self._logged_s = now
            log.warning(
                "refused %d connections, the last from %s (%s): %.300r", self.refused, source, purpose, reason
            )
        socket.send({"t": m.REFUSED, "message": reason})


async def _receive(socket: WebSocket) -> Message:
    """Return the client's answer. Raises ContractError for another message, and LinkError."""
    texts: list[str] = []
    while not texts:
        texts = await socket.receive_texts()
    message = parse_object(texts[0])
    if len(texts) > 1 or message.get("t") != m.PROOF:
        raise ContractError("proof: required as the first and only message before the admission")
    return message

"""Opens a WebSocket to a eureka and proves both sides to each other, as `contract/handshake.py` says."""

from __future__ import annotations

import asyncio
import os

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import ContractError, encode
from spiko_nanoservice.contract.handshake import NONCE_BYTES, Purpose, is_genuine, parse_answer, prove
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.messages import Message
from spiko_nanoservice.wire.key_files import KeyFiles
from spiko_nanoservice.wire.resolve import Resolve
from spiko_nanoservice.wire.websocket import MOST_MESSAGE_BYTES, PING_S, SILENCE_S, WebSocket, connect

# A eureka at which 1,000 pods register at once may be busy for seconds; to give up and ask again would add to
# its work.
ANSWER_S = 10.0
MOST_HANDSHAKE_BYTES = 4_096


class Dialer:
    """Opens WebSockets to eurekas.

    Args:
        resolve: looks up the addresses of a Service.
        keys: of this pod.
        source: the address of this pod to connect from; None lets the system choose.
        port: of every eureka.
    """

    def __init__(self, resolve: Resolve, keys: KeyFiles, source: str | None, port: int) -> None:
        self.resolve = resolve
        self._keys, self._source, self._port = keys, source, port

    async def dial(
        self, address: str, path: str, purpose: Purpose, ping_s: float = PING_S, silence_s: float = SILENCE_S
    ) -> WebSocket:
        """Return a connection on which both sides have proved that they have the same key.

        Raises:
            LinkError: the eureka cannot be reached, refuses the proof, or is not genuine.
        """
        keys = self._keys.read(purpose)
        socket = await connect(address, self._port, path, ping_s, silence_s, source=self._source)
        try:
            socket.limit_messages(MOST_HANDSHAKE_BYTES)
            async with asyncio.timeout(ANSWER_S):
                nonce = os.urandom(NONCE_BYTES).hex()
                challenge = await _receive(socket, m.CHALLENGE)
                proof, expected = prove(challenge, purpose, address, keys, nonce)
                socket.send({"t": m.PROOF, **encode(proof)})
                if not is_genuine(await _receive(socket, m.ADMITTED), expected):
                    raise LinkError(f"{address}: not a eureka of this architecture: its proof is not valid")
            socket.limit_messages(MOST_MESSAGE_BYTES)
        except BaseException as error:
            socket.close()
            if isinstance(error, ContractError | TimeoutError):
                raise LinkError(f"{address}: handshake: {str(error) or 'no answer'}") from error
            raise
        return socket


async def _receive(socket: WebSocket, kind: str) -> Message:
    """Return the next message, which must be of this kind. Raises LinkError or ContractError."""
    texts: list[str] = []
    while not texts:
        texts = await socket.receive_texts()
    socket.unread(texts[1:])
    return parse_answer(texts[0], kind)

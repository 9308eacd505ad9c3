"""Proves the operator or a command line to a eureka, and the eureka to it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from aiohttp import ClientWebSocketResponse, WSMsgType

from spiko_nanoservice.contract import ContractError, encode
from spiko_nanoservice.contract.handshake import (
    NONCE_BYTES,
    EpochKey,
    Purpose,
    is_genuine,
    parse_answer,
    prove,
)
from spiko_operator.errors import ClusterError
from spiko_operator.plan.objects import Object

ANSWER_S = 5.0


async def authenticate(
    socket: ClientWebSocketResponse, purpose: Purpose, address: str, keys: Sequence[EpochKey]
) -> None:
    """Exchange proofs with a eureka, as `contract/handshake.py` says.

    Args:
        socket: a connection without any message so far.
        purpose: of the session.
        address: of the eureka's pod.
        keys: for the purpose.

    Raises:
        ClusterError: the eureka refuses the proof, does not answer, or is not genuine.
    """
    try:
        async with asyncio.timeout(ANSWER_S):
            challenge = await _receive(socket, "challenge")
            proof, expected = prove(challenge, purpose, address, keys, os.urandom(NONCE_BYTES).hex())
            await socket.send_json({"t": "proof", **encode(proof)})
            if not is_genuine(await _receive(socket, "admitted"), expected):
                raise ClusterError("not a eureka of this architecture: its proof is not valid")
    except (ContractError, TimeoutError) as error:
        raise ClusterError(f"handshake: {str(error) or 'no answer'}") from error


async def _receive(socket: ClientWebSocketResponse, kind: str) -> Object:
    frame = await socket.receive()
    if frame.type is not WSMsgType.TEXT:
        raise ClusterError("handshake: the eureka closed the connection")
    return parse_answer(frame.data, kind)

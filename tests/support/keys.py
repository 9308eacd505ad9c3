"""Keys for tests: a directory that stands for a pod's volumes, and clients that prove themselves."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, web

from spiko_nanoservice import messages as m
from spiko_nanoservice.contract import KEYS_PATH, encode
from spiko_nanoservice.contract.handshake import (
    KEY_FILES,
    EpochKey,
    Purpose,
    check,
    is_genuine,
    make_challenge,
    prove,
    render_keys,
)

# One key for each file, in the epochs 2 and 1.
KEYS = {
    name: tuple(EpochKey(epoch, bytes([number, epoch] * 16)) for epoch in (2, 1))
    for number, name in enumerate(sorted(set(KEY_FILES.values())))
}


def write_keys(root: str, keys: dict[str, tuple[EpochKey, ...]] | None = None) -> str:
    """Write key files below a directory that stands for `/`; return the directory of the files."""
    directory = f"{root}{KEYS_PATH}"
    os.makedirs(directory, exist_ok=True)
    for name, found in (KEYS if keys is None else keys).items():
        with open(f"{directory}/{name}", "w", encoding="ascii") as file:
            file.write(render_keys(found))
    return directory


@functools.cache
def volumes_root() -> str:
    """Return a directory with the key files that all pods of this process share."""
    root = tempfile.mkdtemp(prefix="spiko-keys-")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    write_keys(root)
    return root


async def open_session(
    session: ClientSession,
    address: str,
    path: str,
    port: int = 7070,
    keys: tuple[EpochKey, ...] | None = None,
) -> ClientWebSocketResponse:
    """Open a session with a eureka by aiohttp's client, after the proof of the key for the path."""
    purpose = {"/register": Purpose.JOIN, "/peer": Purpose.PEER, "/control": Purpose.CONTROL}.get(
        path.partition("?")[0], Purpose.READ
    )
    chosen = KEYS[KEY_FILES[purpose]] if keys is None else keys
    socket = await session.ws_connect(f"http://{address}:{port}{path}", max_msg_size=0)
    proof, expected = prove(await socket.receive_json(), purpose, address, chosen, os.urandom(16).hex())
    await socket.send_json({"t": m.PROOF, **encode(proof)})
    answer: dict[str, Any] = await socket.receive_json()
    assert answer.get("t") == m.ADMITTED, answer
    assert is_genuine(answer, expected)
    return socket


async def admit(socket: web.WebSocketResponse, purpose: Purpose, address: str) -> None:
    """Do the handshake of a eureka in a server of a test."""
    keys = KEYS[KEY_FILES[purpose]]
    challenge = make_challenge(keys, os.urandom(16).hex())
    await socket.send_json({"t": m.CHALLENGE, **encode(challenge)})
    admission = check(await socket.receive_json(), purpose, address, keys, challenge)
    await socket.send_json({"t": m.ADMITTED, **encode(admission)})

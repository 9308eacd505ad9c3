"""The operator's side of sessions with eurekas on loopback."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from spiko_nanoservice.contract import EUREKA_PORT
from spiko_nanoservice.contract.handshake import Purpose
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.sockets import Endpoint, Sockets
from tests.support.keys import KEYS


@asynccontextmanager
async def operator_sockets() -> AsyncIterator[Sockets]:
    """Yield the sockets of an operator whose API server no test asks."""
    named = {"name": "c"}
    document = {
        "current-context": "c",
        "clusters": [named | {"cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [named | {"user": {"token": "any"}}],
        "contexts": [named | {"context": {"cluster": "c", "user": "c"}}],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        path.write_text(yaml.safe_dump(document))
        client = await Client.connect(str(path))
    sockets = Sockets(client)
    try:
        yield sockets
    finally:
        await sockets.close()
        await client.close()


def control_endpoint(address: str) -> Endpoint:
    """Return the control endpoint of a eureka with the keys of tests."""
    url = f"ws://{address}:{EUREKA_PORT}/control"
    return Endpoint(url, address, Purpose.CONTROL, KEYS["control"])

"""The door to the API server: peers that go silent, tokens that are rotated; against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError, Missing

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NOTHING: dict[str, Any] = {"metadata": {}, "items": []}


def write_kubeconfig(path: Path, server: str, token: str) -> None:
    """A kubeconfig with a token."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "c", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    path.write_text(yaml.safe_dump(document))


@asynccontextmanager
async def api_server(handler: Handler) -> AsyncIterator[str]:
    """A server that answers everything with one function; yields its URL."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """A request takes as long as is allowed and not longer, whether the answer's head or its body is missing."""

    async def silent(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("services"):
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b'{"items": [')
        await asyncio.sleep(60)
        raise AssertionError("nobody waits for so long")

    async with api_server(silent) as server:
        write_kubeconfig(tmp_path / "config", server, "good")
        client = await Client.connect(str(tmp_path / "config"), timeout_s=0.2)
        try:
            for kind in ("Service", "Pod"):
                with pytest.raises(ClusterError, match="does not answer"):
                    await asyncio.wait_for(client.list(kind), 5)
        finally:
            await client.close()


async def test_a_refused_token_is_read_again_once_for_all_who_were_refused(tmp_path: Path) -> None:
    """Given a rotated token, when eight requests are refused together, then each is sent once more with the new one, and none later."""
    seen: list[str] = []

    async def guarded(request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        seen.append(token)
        await asyncio.sleep(0.01)
        return web.json_response(NOTHING) if token == "new" else web.json_response({"message": "no"}, status=401)

    async with api_server(guarded) as server:
        write_kubeconfig(tmp_path / "config", server, "old")
        client = await Client.connect(str(tmp_path / "config"))
        write_kubeconfig(tmp_path / "config", server, "new")
        try:
            await asyncio.gather(*(client.list("Service") for _ in range(8)))
            await client.list("Service")
        finally:
            await client.close()

    assert seen == ["old"] * 8 + ["new"] * 9


async def test_a_token_that_stays_refused_is_an_error_and_is_not_tried_for_ever(tmp_path: Path) -> None:
    """401 with no other token to be had: one request, one error; the queue comes again later."""
    asked = 0

    async def refuse(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.json_response({"message": "Unauthorized"}, status=401)

    async with api_server(refuse) as server:
        write_kubeconfig(tmp_path / "config", server, "old")
        client = await Client.connect(str(tmp_path / "config"))
        try:
            with pytest.raises(ClusterError, match="401: Unauthorized"):
                await client.get("Service", "default", "a")
            (tmp_path / "config").unlink()
            with pytest.raises(ClusterError, match="no credentials"):
                await client.get("Service", "default", "a")
        finally:
            await client.close()

    assert asked == 2


async def test_errors_carry_the_servers_own_words(tmp_path: Path) -> None:
    """404 is Missing, with the message of the Status; what is no Status is quoted."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "message": 'services "a" not found'}, status=404)

    async with api_server(refuse) as server:
        write_kubeconfig(tmp_path / "config", server, "any")
        client = await Client.connect(str(tmp_path / "config"))
        try:
            with pytest.raises(Missing, match='GET /api/v1/namespaces/default/services/a: 404: services "a" not found'):
                await client.get("Service", "default", "a")
        finally:
            await client.close()

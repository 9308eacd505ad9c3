"""WebSockets to eurekas through an API server that requires a token and a client certificate, on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web

from spiko_local.pki import make_pki
from spiko_nanoservice.contract.handshake import Purpose
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.sockets import Endpoint, Sockets
from spiko_operator.errors import ClusterError
from spiko_operator.eureka_links import Links
from spiko_operator.eureka_urls import Reacher
from tests.support.keys import KEYS, admit

KEY = ("default", "arch")
ADDRESS = "10.0.0.9"
MOST_BYTES = 1_000


def endpoint(url: str) -> Endpoint:
    """Return a eureka with the keys of tests."""
    return Endpoint(url, ADDRESS, Purpose.CONTROL, KEYS["control"])


class Guarded:
    """A pod proxy that accepts one token, and rejects requests without an upgrade with a message."""

    def __init__(self, pki: Path) -> None:
        self.token, self.words = "good", ""
        self.seen: list[str] = []
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
        self._context.verify_mode = ssl.CERT_REQUIRED

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.seen.append(request.path)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"message": "Unauthorized"}, status=401)
        if self.words:
            return web.json_response({"message": self.words}, status=403)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await admit(socket, Purpose.CONTROL, ADDRESS)
        await socket.send_str('{"t": "hello"}')
        async for _ in socket:
            pass
        return socket

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Listen, and return the URL."""
        application = web.Application()
        application.router.add_get("/{path:.*}", self.answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._context).start()
        try:
            yield f"https://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def write_kubeconfig(folder: Path, server: str, token: str) -> str:
    """Write a kubeconfig with all credentials that an API server may require."""
    document = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": "pki/ca.crt"}}],
        "users": [
            {
                "name": "c",
                "user": {
                    "token": token,
                    "client-certificate": "pki/kubelet-client.crt",
                    "client-key": "pki/kubelet-client.key",
                },
            }
        ],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(document))
    return str(path)


@asynccontextmanager
async def guarded(folder: Path, token: str = "good") -> AsyncIterator[tuple[Guarded, Client, Sockets, str]]:
    """Yield a server, its client, sockets, and the URL of a eureka's control socket."""
    (folder / "pki").mkdir()
    make_pki(folder / "pki")
    server = Guarded(folder / "pki")
    async with server.serve() as url:
        client = await Client.connect(write_kubeconfig(folder, url, token))
        sockets = Sockets(client)
        reached = Reacher("proxy", client.server).url("default", "p", ADDRESS, "/control", web_socket=True)
        try:
            yield server, client, sockets, reached
        finally:
            await sockets.close()
            await client.close()


async def test_proxied_socket_has_token_certificate_and_ca(tmp_path: Path) -> None:
    """Given a pod proxy, when a WebSocket opens, then it has the credentials of requests; a rotated token is
    read again.
    """
    async with guarded(tmp_path, token="good") as (server, client, sockets, url):
        async with sockets.open(endpoint(url), MOST_BYTES) as socket:
            first = await socket.receive_str()
        server.token = "new"
        write_kubeconfig(tmp_path, client.server, "new")
        async with sockets.open(endpoint(url), MOST_BYTES) as socket:
            second = await socket.receive_str()

    assert '{"t": "hello"}' == first == second
    assert ["/api/v1/namespaces/default/pods/p:7070/proxy/control"] * 3 == server.seen


async def test_refused_handshake_has_the_message_of_a_request(tmp_path: Path) -> None:
    """Given a handshake that is refused without a message, then the error has the
    message of a plain request.
    """
    async with guarded(tmp_path) as (server, _, sockets, url):
        server.words = 'pods "p:7070" is forbidden: User "me" cannot get resource "pods/proxy"'
        with pytest.raises(ClusterError, match='403: pods "p:7070" is forbidden: User "me"'):
            async with sockets.open(endpoint(url), MOST_BYTES):
                raise AssertionError("the socket must not open")


async def test_direct_socket_has_no_credentials(tmp_path: Path) -> None:
    """Given the address of a pod, when a WebSocket opens, then it has neither the token nor the CA of the API
    server.
    """
    async with guarded(tmp_path) as (server, client, sockets, _):
        url = client.server.replace("https://127.0.0.1", "wss://127.0.0.2") + "/control"
        with pytest.raises(aiohttp.ClientError):
            async with sockets.open(endpoint(url), MOST_BYTES):
                raise AssertionError("the socket must not open")

    assert [] == server.seen


async def test_unreachable_eureka_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Given a proxy that refuses connections, when the operator retries, then the log has one warning with
    the server's message.
    """
    async with guarded(tmp_path) as (server, _, sockets, url):
        server.words = "address not allowed"
        links = Links(sockets.open, lambda _: None, patience=2)
        links.keep(KEY, {"eureka": endpoint(url)})
        while len(server.seen) < 10:
            await asyncio.sleep(0.01)
        await links.close()

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert 1 == len(warnings)
    assert warnings[0].endswith("403: address not allowed'; retrying")

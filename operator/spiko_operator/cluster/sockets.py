"""WebSockets to eurekas: at a pod's own address, or through the API server's pod proxy with the credentials of our client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, TCPConnector, WSServerHandshakeError

from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError

HEARTBEAT_S = 10.0
ANSWER_S = 10.0


class Sockets:
    """Opens them. Made within a running loop, ended with `close`.

    Args:
        client: of the API server; a URL that begins with its address is opened with its credentials, no other is.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._session = ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=ANSWER_S))
        self._through = client.server.replace("http", "ws", 1).rstrip("/") + "/"

    async def close(self) -> None:
        """End all connections."""
        await self._session.close()

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[ClientWebSocketResponse]:
        """Open one, close it at the end.

        Raises:
            ClusterError: the API server does not pass it on, and says why.
            aiohttp.ClientError, OSError, TimeoutError: nobody answers, or no WebSocket does.
        """
        socket = await (self._pass_through(url) if url.startswith(self._through) else self._connect(url))
        try:
            yield socket
        finally:
            await socket.close()

    async def _connect(self, url: str) -> ClientWebSocketResponse:
        return await self._session.ws_connect(url, heartbeat=HEARTBEAT_S, max_msg_size=0)

    async def _pass_through(self, url: str, renewed: bool = False) -> ClientWebSocketResponse:
        access = await self._client.access()
        try:
            return await self._session.ws_connect(
                url,
                heartbeat=HEARTBEAT_S,
                max_msg_size=0,
                headers=access.headers,
                ssl=access.context,
                proxy=access.proxy,
            )
        except WSServerHandshakeError as error:
            if error.status == 401 and not renewed and await self._client.renew(access.token):
                return await self._pass_through(url, renewed=True)
            raise await self._explain(url, error) from error

    async def _explain(self, url: str, error: WSServerHandshakeError) -> ClusterError:
        """A refused handshake has a status only; a plain request is refused with words."""
        path = f"/{url.removeprefix(self._through)}"
        try:
            await self._client.raw(path)
        except ClusterError as told:
            return told
        return ClusterError(f"{path}: {error.status}: no WebSocket")

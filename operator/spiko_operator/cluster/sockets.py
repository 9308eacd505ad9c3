"""WebSockets to eurekas: to the address of the pod, or through the pod proxy of the API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import (
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    TCPConnector,
    WSServerHandshakeError,
)

from spiko_nanoservice.contract.handshake import EpochKey, Purpose
from spiko_operator.cluster.authentication import authenticate
from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError

HEARTBEAT_S = 10.0
ANSWER_S = 10.0


@dataclass(frozen=True)
class Endpoint:
    """A eureka, and what the session with it is for.

    Args:
        url: of the WebSocket.
        address: of the pod.
        purpose: of the session.
        keys: for the purpose.
    """

    url: str
    address: str
    purpose: Purpose
    keys: tuple[EpochKey, ...]


class Sockets:
    """Opens WebSockets. Create it in a running event loop, and close it with `close`.

    Args:
        client: of the API server. Its credentials are sent to URLs of the API server only.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._session = ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=ANSWER_S))
        self._proxy_prefix = client.server.replace("http", "ws", 1).rstrip("/") + "/"

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    @asynccontextmanager
    async def open(self, endpoint: Endpoint, most_bytes: int) -> AsyncIterator[ClientWebSocketResponse]:
        """Open a session with a eureka for the duration of the context, after the proof of a key.

        Args:
            endpoint: of the eureka.
            most_bytes: the limit for a message.

        Raises:
            ClusterError: the API server does not forward the connection, or the proof of a side is not valid.
            aiohttp.ClientError, OSError, TimeoutError: the eureka does not answer, or not with a WebSocket.
        """
        url = endpoint.url
        through_proxy = url.startswith(self._proxy_prefix)
        connect = self._connect_through_proxy if through_proxy else self._connect
        socket = await connect(url, most_bytes)
        try:
            await authenticate(socket, endpoint.purpose, endpoint.address, endpoint.keys)
            yield socket
        finally:
            await socket.close()

    async def _connect(self, url: str, most_bytes: int) -> ClientWebSocketResponse:
        return await self._session.ws_connect(url, heartbeat=HEARTBEAT_S, max_msg_size=most_bytes)

    async def _connect_through_proxy(
        self, url: str, most_bytes: int, renewed: bool = False
    ) -> ClientWebSocketResponse:
        access = await self._client.connection.access()
        try:
            return await self._session.ws_connect(
                url,
                heartbeat=HEARTBEAT_S,
                max_msg_size=most_bytes,
                headers=access.headers,
                ssl=access.context,
                proxy=access.proxy,
            )
        except WSServerHandshakeError as error:
            if error.status == 401 and not renewed and await self._client.connection.renew(access.token):
                return await self._connect_through_proxy(url, most_bytes, renewed=True)
            raise await self._explain(url, error) from error

    async def _explain(self, url: str, error: WSServerHandshakeError) -> ClusterError:
        """Return the error of a plain request, which has a message: that of a handshake has none."""
        path = f"/{url.removeprefix(self._proxy_prefix)}"
        try:
            await self._client.raw(path)
        except ClusterError as explanation:
            return explanation
        return ClusterError(f"{path}: WebSocket handshake failed ({error.status})")

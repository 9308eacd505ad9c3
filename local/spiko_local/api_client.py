"""A small client of the Kubernetes API: it runs beside every pod, so it imports no client library."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp

from spiko_local.errors import ApiError
from spiko_local.objects import Object, shorten

WATCH_S = 300
ANSWER_S = 10.0
MAX_CONNECTIONS = 8  # for requests; each costs both sides a handshake and buffers of some 100 kB
LONGEST_REPLY = 300  # characters of a refusal that an error message quotes
APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"


class ApiClient:
    """Requests to the API server of a local cluster's kubeconfig; an asynchronous context manager.

    Args:
        kubeconfig: as `kubeconfig_document` makes it.
    """

    def __init__(self, kubeconfig: Path) -> None:
        document = json.loads(kubeconfig.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self._server = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=authority)
        self._headers = {"Authorization": f"Bearer {user['token']}", "Accept": "application/json"}
        self._session: aiohttp.ClientSession | None = None
        self._watching: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open two sessions: watches hold their connections, and must not use up those of requests."""
        connector = aiohttp.TCPConnector(ssl=self._context, limit=MAX_CONNECTIONS)
        self._session = aiohttp.ClientSession(headers=self._headers, connector=connector)
        connector = aiohttp.TCPConnector(ssl=self._context, limit=0)
        self._watching = aiohttp.ClientSession(headers=self._headers, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the sessions."""
        for session in (self._session, self._watching):
            if session is not None:
                await session.close()

    async def call(
        self, method: str, path: str, body: Any = None, content: str = "application/json"
    ) -> Object:
        """Send one request and return the object in the reply.

        Args:
            method: of HTTP.
            path: with its query.
            body: encoded as JSON; None sends no body.
            content: Content-Type of the body.

        Raises:
            ApiError: the API server refused it or did not answer within 10 s.
        """
        assert self._session is not None
        data = None if body is None else json.dumps(body)
        options: dict[str, Any] = {
            "data": data,
            "headers": {"Content-Type": content},
            "timeout": aiohttp.ClientTimeout(total=ANSWER_S),
        }
        try:
            async with self._session.request(method, self._server + path, **options) as reply:
                text = await reply.text()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiError(f"{method} {path}: no answer: {error!r}") from error
        if reply.status >= 300:
            raise ApiError(f"{method} {path}: {reply.status}: {shorten(text, LONGEST_REPLY)}", reply.status)
        found: Object = json.loads(text)
        return found

    async def watch(self, path: str, version: str) -> AsyncIterator[Object]:
        """Iterate over the events of a collection until the server ends the watch.

        Args:
            path: of the collection.
            version: the resourceVersion after which events begin.

        Raises:
            ApiError: the watch was refused (410: list again), or the connection broke.
        """
        assert self._watching is not None
        mark = "&" if "?" in path else "?"
        query = f"watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={WATCH_S}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_S, sock_read=WATCH_S + ANSWER_S)
        try:
            async with self._watching.get(f"{self._server}{path}{mark}{query}", timeout=timeout) as reply:
                if reply.status >= 300:
                    raise ApiError(f"watch {path}: {reply.status}", reply.status)
                async for line in _lines(reply.content):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise ApiError(f"watch {path}: {status.get('message')}", int(status.get("code", 0)))
                    yield event
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ApiError(f"watch {path}: {error!r}") from error


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a stream into lines of any length: aiohttp's own iteration rejects lines over 64 KiB."""
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line

"""Requests to an API server, a few verbs and no client library: for what runs beside every pod it must be small."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp

from spiko_local.errors import ApiError

WATCH_S = 300


class Api:
    """Requests to the API server of a kubeconfig of ours."""

    def __init__(self, kubeconfig: Path) -> None:
        document = json.loads(kubeconfig.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self._server = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=authority)
        self._headers = {"Authorization": f"Bearer {user['token']}", "Accept": "application/json"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open."""
        connector = aiohttp.TCPConnector(ssl=self._context)
        self._session = aiohttp.ClientSession(headers=self._headers, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        if self._session is not None:
            await self._session.close()

    async def call(self, method: str, path: str, body: Any = None, content: str = "application/json") -> dict[str, Any]:
        """One request.

        Raises:
            ApiError: refused, or no answer.
        """
        assert self._session is not None
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content}
        timeout = aiohttp.ClientTimeout(total=10)
        try:
            async with self._session.request(
                method, self._server + path, data=data, headers=headers, timeout=timeout
            ) as reply:
                text = await reply.text()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiError(f"{method} {path}: no answer: {error!r}") from error
        if reply.status >= 300:
            raise ApiError(f"{method} {path}: {reply.status}: {text[:300]}", reply.status)
        found: dict[str, Any] = json.loads(text)
        return found

    async def watch(self, path: str, version: str) -> AsyncIterator[dict[str, Any]]:
        """Events of a collection after a version, until the server ends it.

        Raises:
            ApiError: refused (410: list again), or the connection broke.
        """
        assert self._session is not None
        mark = "&" if "?" in path else "?"
        url = f"{self._server}{path}{mark}watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={WATCH_S}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=WATCH_S + 10)
        try:
            async with self._session.get(url, timeout=timeout) as reply:
                if reply.status >= 300:
                    raise ApiError(f"watch {path}: {reply.status}", reply.status)
                async for line in _lines(reply.content):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(
                            f"watch {path}: {event['object'].get('message')}", int(event["object"].get("code", 0))
                        )
                    yield event
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ApiError(f"watch {path}: {error!r}") from error


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: aiohttp's own iteration refuses those over 64 KiB."""
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line

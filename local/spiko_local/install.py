"""Puts the CustomResourceDefinitions into a cluster, and asks plain questions of it; a few requests, no client library."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from spiko_local.errors import ApiError

FIELD_MANAGER = "spiko-up"


def read_crds() -> list[dict[str, Any]]:
    """The generated CRDs: package data in a wheel, the repository's `crds/` in a checkout."""
    packaged = Path(str(files("spiko_operator").joinpath("crds")))
    folder = packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "crds"
    found = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))]
    if not found:
        raise ApiError(f"{folder}: no CustomResourceDefinitions here; run `make generate`")
    return found


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

    async def __aenter__(self) -> Api:
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
            async with self._session.request(method, self._server + path, data=data, headers=headers, timeout=timeout) as reply:
                text = await reply.text()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiError(f"{method} {path}: no answer: {error!r}") from error
        if reply.status >= 300:
            raise ApiError(f"{method} {path}: {reply.status}: {text[:300]}", reply.status)
        found: dict[str, Any] = json.loads(text)
        return found


async def install_crds(api: Api) -> None:
    """Apply the CRDs and wait until they are served.

    Raises:
        ApiError: refused.
    """
    base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for body in read_crds():
        path = f"{base}/{body['metadata']['name']}"
        await api.call("PATCH", f"{path}?fieldManager={FIELD_MANAGER}&force=true", body, "application/apply-patch+yaml")
        while not _established(await api.call("GET", path)):
            await asyncio.sleep(0.05)
        resource = f"/apis/{body['spec']['group']}/{body['spec']['versions'][0]['name']}/{body['spec']['names']['plural']}"
        await _served(api, resource)


async def _served(api: Api, path: str) -> None:
    """Established comes a moment before the first list is answered."""
    while True:
        try:
            await api.call("GET", f"{path}?limit=1")
        except ApiError as error:
            if error.status != 404:
                raise
            await asyncio.sleep(0.05)
        else:
            return


def _established(body: dict[str, Any]) -> bool:
    conditions = body.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

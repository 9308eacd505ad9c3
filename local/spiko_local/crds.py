"""Puts the CustomResourceDefinitions into a cluster."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from spiko_local.api_client import Api
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


async def install_crds(api: Api) -> None:
    """Apply the CRDs and wait until they are served.

    Raises:
        ApiError: refused.
    """
    base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for body in read_crds():
        path = f"{base}/{body['metadata']['name']}"
        await api.call("PATCH", f"{path}?fieldManager={FIELD_MANAGER}&force=true", body, "application/apply-patch+yaml")
        while not _established(await api.call("GET", path)):  # noqa: ASYNC110  # a watch would be longer than the wait
            await asyncio.sleep(0.05)
        resource = (
            f"/apis/{body['spec']['group']}/{body['spec']['versions'][0]['name']}/{body['spec']['names']['plural']}"
        )
        await _served(api, resource)


async def _served(api: Api, path: str) -> None:
    """Established comes a moment before the first list is answered: 404, or 503 of a server that has just begun with the data of an earlier one."""
    while True:
        try:
            await api.call("GET", f"{path}?limit=1")
        except ApiError as error:
            if error.status not in (404, 503):
                raise
            await asyncio.sleep(0.05)
        else:
            return


def _established(body: dict[str, Any]) -> bool:
    conditions = body.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

"""Installs the CustomResourceDefinitions into a cluster."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path

import yaml

from spiko_local.api_client import APPLY_PATCH, ApiClient
from spiko_local.errors import ApiError
from spiko_local.objects import Object, has_condition

FIELD_MANAGER = "spiko-up"
COLLECTION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
POLL_S = 0.05


def read_crds() -> list[Object]:
    """Return the generated CRDs: package data in a wheel, the repository's `crds/` in a checkout.

    Raises:
        ApiError: this installation has no definitions.
    """
    packaged = Path(str(files("spiko_operator").joinpath("crds")))
    folder = packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "crds"
    found = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))]
    if not found:
        raise ApiError(f"{folder}: contains no CustomResourceDefinitions; run `make generate`")
    return found


async def install_crds(api: ApiClient) -> None:
    """Apply the CRDs and wait until they are served.

    Args:
        api: an open client.

    Raises:
        ApiError: the API server refused one or did not answer.
    """
    for body in read_crds():
        path = f"{COLLECTION}/{body['metadata']['name']}"
        await api.call("PATCH", f"{path}?fieldManager={FIELD_MANAGER}&force=true", body, APPLY_PATCH)
        while not has_condition(await api.call("GET", path), "Established"):  # noqa: ASYNC110  # a watch takes longer
            await asyncio.sleep(POLL_S)
        spec = body["spec"]
        await _until_served(
            api, f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
        )


async def _until_served(api: ApiClient, path: str) -> None:
    """Wait for the first list, which comes a moment after Established.

    Until then it is 404, or 503 from a server that has just started with the data of an earlier one.
    """
    while True:
        try:
            await api.call("GET", f"{path}?limit=1")
        except ApiError as error:
            if error.status not in (404, 503):
                raise
            await asyncio.sleep(POLL_S)
        else:
            return

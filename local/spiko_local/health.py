"""Asks the parts of a cluster whether they are well: their own health pages, over TLS with the cluster's authority."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

ASK_S = 2.0
# 401 and 403: it is up, and the question was not ours to ask
WELL = (200, 401, 403)


def build_context(pki: Path) -> ssl.SSLContext:
    """Trust the cluster's authority only, and be the kubelets' client."""
    context = ssl.create_default_context(cafile=pki / "ca.crt")
    context.load_cert_chain(pki / "kubelet-client.crt", pki / "kubelet-client.key")
    return context


async def answers(url: str, context: ssl.SSLContext) -> bool:
    """Whether an URL answers that all is well."""
    timeout = aiohttp.ClientTimeout(total=ASK_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=context) as reply:
            return reply.status in WELL
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def ask_all(urls: Mapping[str, str], context: ssl.SSLContext) -> dict[str, bool]:
    """Ask all at once: names and URLs in, names and whether all is well out."""
    found = await asyncio.gather(*(answers(url, context) for url in urls.values()))
    return dict(zip(urls, found, strict=True))


def ready_nodes(nodes: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of those Node objects that are Ready.

    >>> ready_nodes([{"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}, {"metadata": {"name": "b"}}])
    {'a'}
    """
    return {
        node["metadata"]["name"]
        for node in nodes
        if any(c["type"] == "Ready" and c["status"] == "True" for c in node.get("status", {}).get("conditions", ()))
    }

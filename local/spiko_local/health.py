"""Health checks of a cluster's components, by their own endpoints, over TLS with the cluster's authority."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from spiko_local.objects import Object, has_condition

ANSWER_S = 2.0
# 401 and 403 also show that the server is up; this client just has no right to ask it.
HEALTHY_STATUSES = (200, 401, 403)


def build_context(pki: Path) -> ssl.SSLContext:
    """Return a TLS context with the cluster's authority only, and with the kubelets' client certificate."""
    context = ssl.create_default_context(cafile=pki / "ca.crt")
    context.load_cert_chain(pki / "kubelet-client.crt", pki / "kubelet-client.key")
    return context


async def is_healthy(url: str, context: ssl.SSLContext) -> bool:
    """Return whether a health endpoint answers within 2 s that its server is up."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=context) as reply:
            return reply.status in HEALTHY_STATUSES
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def check_all(urls: Mapping[str, str], context: ssl.SSLContext) -> dict[str, bool]:
    """Check all components at once.

    Args:
        urls: health endpoints by component.
        context: of `build_context`.

    Returns:
        Whether each component is healthy.
    """
    found = await asyncio.gather(*(is_healthy(url, context) for url in urls.values()))
    return dict(zip(urls, found, strict=True))


def ready_nodes(nodes: Sequence[Object]) -> set[str]:
    """Return the names of the Node objects that are Ready.

    >>> ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    >>> ready_nodes([{"metadata": {"name": "a"}, "status": ready}, {"metadata": {"name": "b"}}])
    {'a'}
    """
    return {node["metadata"]["name"] for node in nodes if has_condition(node, "Ready")}

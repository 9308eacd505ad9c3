"""The one seam for names: a cluster's DNS, or the local cluster's name service if the environment names one."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable

from spiko_nanoservice.errors import CallError
from spiko_nanoservice.wire.http_client import Pool

ANSWER_S = 2.0
Resolve = Callable[[str], Awaitable[list[str]]]
"""Name of a Service, `name.namespace` -> addresses of its pods; empty if there are none. Never raises for an unknown name."""


async def resolve_by_dns(name: str) -> list[str]:
    """Ask the system's resolver; a headless Service answers with one address per pod."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(f"{name}.svc", None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(entry[4][0]) for entry in found})


def resolve_by_http(server: str) -> Resolve:
    """Ask a local cluster's name service at `host:port`: GET /resolve?name=N -> {"addresses": [...]}.

    By the client that tiers call each other with: a forked pod shares no page that it runs code on.
    """
    host, _, port = server.rpartition(":")

    async def resolve(name: str) -> list[str]:
        pool = Pool(host, int(port))
        try:
            reply = await pool.call(b"GET", b"/resolve?name=%b" % name.encode(), bytes, b"", ANSWER_S)
            return [str(address) for address in json.loads(reply.body)["addresses"]] if reply.status == 200 else []
        except (CallError, ValueError, KeyError, TypeError):
            return []
        finally:
            pool.close()

    return resolve


def choose_resolver(server: str) -> Resolve:
    """The local name service if there is one, else DNS."""
    return resolve_by_http(server) if server else resolve_by_dns

"""Looks up the addresses of a Service: in the cluster's DNS, or at the name service of a local cluster."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable

from spiko_nanoservice.errors import CallError
from spiko_nanoservice.wire.connection_pool import Pool

ANSWER_S = 2.0
Resolve = Callable[[str], Awaitable[list[str]]]
"""Name of a Service, `name.namespace` -> addresses of its pods; empty for an unknown name. Does not raise."""


async def resolve_by_dns(name: str) -> list[str]:
    """Look up a headless Service in the cluster's DNS, which has one address per pod."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(f"{name}.svc", None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(entry[4][0]) for entry in found})


def resolve_by_http(server: str) -> Resolve:
    """Return a resolver that asks the name service of a local cluster.

    The request is GET /resolve?name=N, the answer {"addresses": [...]}.

    Args:
        server: the name service, `host:port`.
    """
    host, _, port = server.rpartition(":")

    async def resolve(name: str) -> list[str]:
        pool = Pool(host, int(port))
        try:
            reply = await pool.call(b"GET", b"/resolve?name=%b" % name.encode(), bytes, b"", ANSWER_S)
            return (
                [str(address) for address in json.loads(reply.body)["addresses"]]
                if reply.status == 200
                else []
            )
        except (CallError, ValueError, KeyError, TypeError, RecursionError):
            return []
        finally:
            pool.close()

    return resolve


def choose_resolver(server: str) -> Resolve:
    """Return the resolver for a name service, `host:port`, or for DNS if `server` is empty."""
    return resolve_by_http(server) if server else resolve_by_dns

"""The name service of pods: GET /resolve?name=lamp-eureka-z0.default -> {"addresses": [...]}."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from spiko_local.home import write_atomically
from spiko_local.kubelet.http_listener import HttpListener
from spiko_local.kubelet.model.endpoint_index import EndpointIndex, split_name
from spiko_local.objects import Object

ADDRESS = "127.64.0.0"


class Resolver:
    """The HTTP endpoint of the name service.

    Args:
        services: Service objects by namespace and name; read at every request.
        pods: the index of running pods.
    """

    def __init__(self, services: Mapping[tuple[str, str], Object], pods: EndpointIndex) -> None:
        self._services, self._pods = services, pods

    @asynccontextmanager
    async def listen(self, port_file: Path) -> AsyncIterator[str]:
        """Listen on loopback; yields host:port.

        Args:
            port_file: remembers the port. Living pods know the address from an earlier kubelet, so it must
                not change.
        """
        application = web.Application()
        application.router.add_get("/resolve", self._resolve)
        listener = HttpListener(application)
        port = remembered_port(port_file)
        try:
            await listener.listen((ADDRESS, port))
            yield f"{ADDRESS}:{port}"
        finally:
            await listener.close()

    async def _resolve(self, request: web.Request) -> web.Response:
        name, namespace = split_name(request.query.get("name", ""), request.query.get("namespace", "default"))
        service = self._services.get((namespace, name))
        if service is None:
            return web.json_response({"addresses": []}, status=404)
        return web.json_response({"addresses": self._pods.addresses(namespace, service)})


def remembered_port(file: Path) -> int:
    """Return the port in a file; if the file does not exist, choose a free port and write it there."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        with socket.socket() as probe:
            probe.bind((ADDRESS, 0))
            port: int = probe.getsockname()[1]
        write_atomically(file, str(port))
        return port

"""Answers cluster names for pods: GET /resolve?name=lamp-eureka-z0.default -> {"addresses": [...]}, from Services and pods as watched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from spiko_local.kubelet.kubelet import Kubelet

Object = dict[str, Any]
SUFFIXES = (".svc.cluster.local", ".svc")


def split_name(name: str, namespace: str) -> tuple[str, str]:
    """Service and namespace of a cluster name.

    >>> split_name("lamp-eureka.shop.svc.cluster.local", "default"), split_name("lamp-eureka", "default")
    (('lamp-eureka', 'shop'), ('lamp-eureka', 'default'))
    """
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    service, _, found = name.partition(".")
    return service, found or namespace


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a Service's selector takes a pod; an empty one takes none."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def select(service: Object, pods: Iterable[tuple[Mapping[str, str], str, bool]]) -> list[str]:
    """Addresses of a Service's pods.

    Args:
        service: the object.
        pods: labels, address and readiness of the namespace's pods.
    """
    spec = service["spec"]
    early = bool(spec.get("publishNotReadyAddresses"))
    return sorted(
        address for labels, address, ready in pods if (ready or early) and matches(spec.get("selector") or {}, labels)
    )


class Resolver:
    """The HTTP endpoint."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen on loopback; returns host:port."""
        application = web.Application()
        application.router.add_get("/resolve", self._resolve)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        port = self._kubelet.remembered_port("resolver.port")
        site = web.TCPSite(self._runner, "127.64.0.0", port)  # living pods know this address from an earlier kubelet
        await site.start()
        return f"127.64.0.0:{port}"

    async def _resolve(self, request: web.Request) -> web.Response:
        name, namespace = split_name(request.query.get("name", ""), request.query.get("namespace", "default"))
        service = self._kubelet.services.get((namespace, name))
        if service is None:
            return web.json_response({"addresses": []}, status=404)
        pods = (
            (worker.pod["metadata"].get("labels") or {}, worker.address, worker.container.ready)
            for worker in self._kubelet.workers.values()
            if worker.record.namespace == namespace
            and worker.container.running
            and not worker.pod["metadata"].get("deletionTimestamp")
        )
        return web.json_response({"addresses": select(service, pods)})

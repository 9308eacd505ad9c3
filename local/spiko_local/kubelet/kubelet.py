"""The kubelet of all nodes: follows pods and Services, starts workers, and plays power cuts."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from spiko_local.api_client import ApiClient
from spiko_local.kubelet.containers import end_unrecorded
from spiko_local.kubelet.heartbeats import keep_node
from spiko_local.kubelet.list_watch import list_and_watch
from spiko_local.kubelet.pod_api import PodApi
from spiko_local.kubelet.pod_workers import PodWorkers
from spiko_local.kubelet.process_runtime import ProcessRuntime
from spiko_local.kubelet.resolver import Resolver
from spiko_local.node_power import PowerState
from spiko_local.nodes import Node
from spiko_local.objects import Object, status_of

# Longer than any client waits for an answer: from a node without power comes none, not even a refused
# connection.
FROZEN_S = 15.0
log = logging.getLogger("spiko.kubelet")


class Kubelet:
    """Plays all nodes of one file.

    Args:
        api: an open client.
        nodes: to play.
        state: folder for records, logs and sockets.
        module: what pods run.
        lifeline: descriptor that pods hold; None without.
    """

    def __init__(
        self, api: ApiClient, nodes: tuple[Node, ...], state: Path, module: str, lifeline: int | None
    ) -> None:
        self._api, self._state = api, state
        self.nodes = {node.name: node for node in nodes}
        self._runtime = ProcessRuntime(state, module, lifeline)
        self.pods = PodWorkers(self.nodes, self._runtime, PodApi(api))
        self._services: dict[tuple[str, str], Object] = {}
        self._power = PowerState(state / "off.json")
        self._heartbeats: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Run until cancelled."""
        end_unrecorded(self._runtime.logs, {record.pid for record in self.pods.unowned.values()})
        resolver = Resolver(self._services, self.pods.endpoints)
        async with resolver.listen(self._state / "resolver.port") as address, asyncio.TaskGroup() as group:
            self._runtime.resolver_address = address
            self._group = group
            group.create_task(self._runtime.connect())
            for name in self.nodes:
                if name in self._power.off:
                    asyncio.get_running_loop().call_later(FROZEN_S, self.pods.kill_unowned, name)
                else:
                    self._start_heartbeat(name)
            services = list_and_watch(
                self._api, "/api/v1/services", self._list_services, self._change_service
            )
            pods = list_and_watch(self._api, "/api/v1/pods", self._list_pods, self._change_pod)
            group.create_task(services)
            group.create_task(pods)

    # ---------------------------------------------------------------- watching

    def _list_services(self, items: list[Object]) -> None:
        self._services.clear()
        self._services.update({_key(service): service for service in items})

    def _change_service(self, event: Object) -> None:
        service = event["object"]
        if event["type"] == "DELETED":
            self._services.pop(_key(service), None)
        else:
            self._services[_key(service)] = service

    def _list_pods(self, items: list[Object]) -> None:
        self.pods.remove_absent({pod["metadata"]["uid"] for pod in items})
        for pod in items:
            self._take(pod)
        self.pods.keep_unowned(self._power.off)

    def _change_pod(self, event: Object) -> None:
        pod = event["object"]
        if event["type"] != "DELETED":
            self._take(pod)
        elif (worker := self.pods.get(pod["metadata"]["uid"])) is not None:
            worker.remove()

    def _take(self, pod: Object) -> None:
        """Update the pod's worker, or start one for a pod of a node that is on."""
        node = pod["spec"].get("nodeName")
        worker = self.pods.get(pod["metadata"]["uid"])
        if worker is not None:
            worker.update(pod)
        elif (
            node in self.nodes
            and node not in self._power.off
            and status_of(pod).get("phase") not in ("Succeeded", "Failed")
        ):
            self.pods.start(pod, node)

    # ---------------------------------------------------------------- power

    async def stop_node(self, name: str) -> None:
        """Cut a node's power: its lease is not renewed, and its pods fall silent all at once and for good."""
        if name in self._power.off:
            return
        self._power.switch(name, on=False)
        self._heartbeats.pop(name).cancel()
        count = await self.pods.freeze(name)
        asyncio.get_running_loop().call_later(FROZEN_S, self.pods.kill_unowned, name)
        log.info("node %s is off: %d pods", name, count)

    async def start_node(self, name: str) -> None:
        """Restore a node's power: its processes are gone, and the containers of its pods are restarted."""
        if name not in self._power.off:
            return
        records = self.pods.kill_unowned(name)
        while any(record.alive for record in records):  # noqa: ASYNC110  # the kernel notifies only a parent
            await asyncio.sleep(0.01)
        items = (await self._api.call("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}"))["items"]
        self._power.switch(name, on=True)
        self._start_heartbeat(name)
        present = {pod["metadata"]["uid"] for pod in items}
        for record in records:
            if record.uid not in present:
                self._runtime.forget(record)
        for pod in items:
            self._take(pod)
        for record in records:
            self.pods.unowned.pop(record.uid, None)
        log.info("node %s is on: %d pods", name, len(items))

    def _start_heartbeat(self, name: str) -> None:
        assert self._group is not None
        self._heartbeats[name] = self._group.create_task(keep_node(self._api, self.nodes[name]))


def _key(body: Object) -> tuple[str, str]:
    metadata = body["metadata"]
    return metadata["namespace"], metadata["name"]

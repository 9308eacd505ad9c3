"""The kubelet's shell: what the API server says of pods and Services becomes workers, and their words go back."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spiko_local.api_client import Api
from spiko_local.errors import ApiError
from spiko_local.home import write_atomically
from spiko_local.kubelet.containers import end_unrecorded, signal_session
from spiko_local.kubelet.fork_client import Forks
from spiko_local.kubelet.heartbeats import keep_node
from spiko_local.kubelet.pod_records import Record, Records
from spiko_local.kubelet.pod_worker import PodWorker
from spiko_local.kubelet.resolver import Resolver
from spiko_local.node_power import Power
from spiko_local.nodes import Node
from spiko_local.timestamps import now_micro_text

Object = dict[str, Any]
MOST_HOSTS = 65_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 3.0
FROZEN_S = 15.0  # longer than anybody waits for an answer: from a node without power there is none, not even a refusal
log = logging.getLogger("spiko.kubelet")


class Kubelet:
    """All nodes of one file.

    Args:
        api: open.
        nodes: to play.
        state: folder for records, logs and sockets.
        module: what pods run.
        lifeline: descriptor that pods hold; None without.
    """

    def __init__(self, api: Api, nodes: tuple[Node, ...], state: Path, module: str, lifeline: int | None) -> None:
        self._api = api
        self.nodes = {node.name: node for node in nodes}
        self._state = state
        self.logs = state.absolute() / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.records = Records(state / "pods")
        self.forks = Forks(state, module, lifeline)
        self._lifeline = lifeline
        self.workers: dict[str, PodWorker] = {}
        self.services: dict[tuple[str, str], Object] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._old = self.records.read()
        self._power = Power(state / "off.json")
        self._heartbeats: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._host = max((record.host for record in self._old.values()), default=0)
        self._resolver_address = ""

    async def run(self) -> None:
        """Work until cancelled."""
        end_unrecorded(self.logs, {record.pid for record in self._old.values()})
        self._resolver_address = await Resolver(self).start()
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self.forks.connect())
            for name in self.nodes:
                if name in self._power.off:
                    asyncio.get_running_loop().call_later(FROZEN_S, self._end_frozen, name)
                else:
                    self._beat(name)
            group.create_task(self._follow("/api/v1/services", self._list_services, self._see_service))
            group.create_task(self._follow("/api/v1/pods", self._list_pods, self._see_pod))

    # ---------------------------------------------------------------- watching

    async def _follow(self, path: str, listed: Callable[[list[Object]], None], seen: Callable[[Object], None]) -> None:
        """List, watch from there, and list again when the watch breaks: whatever happened in between shows in the list."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                found = await self._api.call("GET", path)
                listed(found["items"])
                version = found["metadata"]["resourceVersion"]
                while True:
                    async for event in self._api.watch(path, version):
                        pause_s = FIRST_PAUSE_S
                        version = event["object"]["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            seen(event)
            except ApiError as error:
                log.info("%s; again in %.1f s", error, pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    def _list_services(self, items: list[Object]) -> None:
        self.services = {(s["metadata"]["namespace"], s["metadata"]["name"]): s for s in items}

    def _see_service(self, event: Object) -> None:
        body = event["object"]
        key = (body["metadata"]["namespace"], body["metadata"]["name"])
        if event["type"] == "DELETED":
            self.services.pop(key, None)
        else:
            self.services[key] = body

    def _list_pods(self, items: list[Object]) -> None:
        present = {pod["metadata"]["uid"] for pod in items}
        for uid, worker in list(self.workers.items()):
            if uid not in present:
                worker.remove()
        for uid, record in self._old.items():
            if uid not in present:
                if record.alive:
                    signal_session(record.pid, signal.SIGKILL)
                self.records.remove(uid)
        for pod in items:
            self._see_pod({"type": "ADDED", "object": pod})
        self._old = {uid: record for uid, record in self._old.items() if record.node in self._power.off}

    def _see_pod(self, event: Object) -> None:
        pod = event["object"]
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        worker = self.workers.get(uid)
        if event["type"] == "DELETED":
            if worker is not None:
                worker.remove()
        elif worker is not None:
            worker.update(pod)
        elif (
            node in self.nodes
            and node not in self._power.off
            and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        ):
            self._adopt_or_make(pod, node)

    def _adopt_or_make(self, pod: Object, node: str) -> None:
        metadata = pod["metadata"]
        record = self._old.get(metadata["uid"])
        if record is None:
            record = Record(metadata["uid"], metadata["namespace"], metadata["name"], node, self._next_host())
            self.records.write(record)
        worker = self.workers[record.uid] = PodWorker(self, pod, record)
        self._tasks[record.uid] = asyncio.get_running_loop().create_task(worker.run())

    def _next_host(self) -> int:
        taken = {worker.record.host for worker in self.workers.values()} | {
            record.host for record in self._old.values()
        }
        while True:
            self._host = self._host % MOST_HOSTS + 1
            if self._host not in taken:
                return self._host

    def forget(self, worker: PodWorker) -> None:
        """A worker is done."""
        uid = worker.record.uid
        self.workers.pop(uid, None)
        self._tasks.pop(uid, None)
        self._forget(uid)

    def _forget(self, uid: str) -> None:
        self.records.remove(uid)
        for path in self.logs.glob(f"{uid}.*.log"):
            path.unlink(missing_ok=True)

    # ---------------------------------------------------------------- power

    def _beat(self, name: str) -> None:
        assert self._group is not None
        self._heartbeats[name] = self._group.create_task(keep_node(self._api, self.nodes[name]))

    async def stop_node(self, name: str) -> None:
        """Cut a node's power: its lease is not renewed, its pods are silent from one moment to the next and never speak again."""
        if name in self._power.off:
            return
        self._power.switch(name, on=False)
        self._heartbeats.pop(name).cancel()
        cut = [worker for worker in self.workers.values() if worker.record.node == name]
        for worker in cut:
            worker.freeze()
        tasks = [self._tasks.pop(worker.record.uid) for worker in cut]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for worker in cut:
            del self.workers[worker.record.uid]
            self._old[worker.record.uid] = worker.record
        asyncio.get_running_loop().call_later(FROZEN_S, self._end_frozen, name)
        log.info("node %s is off: %d pods", name, len(cut))

    async def start_node(self, name: str) -> None:
        """Give a node its power back: its containers have ended, those of pods that it still has are started again."""
        if name not in self._power.off:
            return
        self._end_frozen(name)
        mine = [record for record in self._old.values() if record.node == name]
        while any(record.alive for record in mine):  # noqa: ASYNC110  # the kernel tells nobody but a parent
            await asyncio.sleep(0.01)
        items = (await self._api.call("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}"))["items"]
        self._power.switch(name, on=True)
        self._beat(name)
        present = {pod["metadata"]["uid"] for pod in items}
        for record in mine:
            if record.uid not in present:
                self._forget(record.uid)
        for pod in items:
            self._see_pod({"type": "ADDED", "object": pod})
        for record in mine:
            self._old.pop(record.uid, None)
        log.info("node %s is on: %d pods", name, len(items))

    def _end_frozen(self, name: str) -> None:
        """What its pods' memory held is lost; so is a process that was about to start."""
        for record in [record for record in self._old.values() if record.node == name]:
            if record.alive:
                signal_session(record.pid, signal.SIGKILL)
            end_unrecorded(self.logs, {record.pid}, f"{record.uid}.{record.container + 1}.log")

    # ---------------------------------------------------------------- for workers

    def runtime_environment(self, address: str, pod: Object) -> dict[str, str]:
        """What the runtime adds to a container's environment."""
        found = {"SPIKO_BIND_ADDRESS": address, "SPIKO_RESOLVER": self._resolver_address}
        return found | ({"SPIKO_LIFELINE": str(self._lifeline)} if self._lifeline is not None else {})

    async def patch_status(self, pod: Object, status: Object) -> Object:
        """Write a pod's status; raises ApiError."""
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        body = {"metadata": {"uid": metadata["uid"]}, "status": status}
        return await self._api.call("PATCH", path, body, "application/strategic-merge-patch+json")

    async def delete(self, pod: Object) -> None:
        """Remove a pod whose process has ended; raises ApiError."""
        metadata = pod["metadata"]
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        await self._api.call("DELETE", f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}", body)

    async def event(self, pod: Object, kind: str, reason: str, note: str) -> None:
        """Tell people; one that cannot be written is logged."""
        metadata = pod["metadata"]
        regarding = {"apiVersion": "v1", "kind": "Pod"} | {key: metadata[key] for key in ("name", "namespace", "uid")}
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{time.time_ns():x}", "namespace": metadata["namespace"]},
            "eventTime": now_micro_text(),
            "type": kind,
            "reason": reason,
            "note": note[:1024],
            "action": "Run",
            "regarding": regarding,
            "reportingController": "spiko.dev/kubelet",
            "reportingInstance": pod["spec"]["nodeName"],
        }
        try:
            await self._api.call("POST", f"/apis/events.k8s.io/v1/namespaces/{metadata['namespace']}/events", body)
        except ApiError as error:
            log.warning("event %s of %s: %s", reason, metadata["name"], error)

    def remembered_port(self, name: str) -> int:
        """A port that is the same for every kubelet of this state folder."""
        path = self._state / name
        try:
            return int(path.read_text())
        except (OSError, ValueError):
            with socket.socket() as probe:
                probe.bind(("127.64.0.0", 0))
                port: int = probe.getsockname()[1]
            write_atomically(path, str(port))
            return port

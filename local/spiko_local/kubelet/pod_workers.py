"""All workers of a kubelet, the index of their pods, and the records of pods without a worker."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Collection, Iterator, Mapping

from spiko_local.kubelet.containers import end_unrecorded, signal_session
from spiko_local.kubelet.model.endpoint_index import Endpoint, EndpointIndex
from spiko_local.kubelet.pod_api import PodApi
from spiko_local.kubelet.pod_records import Record
from spiko_local.kubelet.pod_worker import PodWorker
from spiko_local.kubelet.process_runtime import ProcessRuntime
from spiko_local.kubelet.worker_interfaces import PodView
from spiko_local.nodes import Node
from spiko_local.objects import Object, labels_of

MAX_HOSTS = 65_000
COLLECT_S = 2.0  # from the end of a worker to a collection of garbage


class PodWorkers:
    """The workers of all nodes.

    A record without a worker (`unowned`) is of a pod that an earlier kubelet ran and that no list has named
    yet, or of a pod whose node is off.

    Args:
        nodes: by name.
        runtime: of all pods; its records are read.
        api: receives statuses and events.
    """

    def __init__(self, nodes: Mapping[str, Node], runtime: ProcessRuntime, api: PodApi) -> None:
        self._nodes, self._runtime, self._api = nodes, runtime, api
        self.endpoints = EndpointIndex()
        self.unowned: dict[str, Record] = runtime.records.read()
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._collection: asyncio.TimerHandle | None = None
        self._host = max((record.host for record in self.unowned.values()), default=0)

    def __iter__(self) -> Iterator[PodWorker]:
        """Iterate over the workers as they are now."""
        return iter(list(self._workers.values()))

    def get(self, uid: str) -> PodWorker | None:
        """Return the worker of a pod by its UID."""
        return self._workers.get(uid)

    def find(self, namespace: str, name: str) -> PodWorker | None:
        """Return the worker of a pod by its name; the oldest, while a deleted pod of that name still runs."""
        wanted = (namespace, name)
        return next(
            (worker for worker in self if (worker.record.namespace, worker.record.name) == wanted), None
        )

    def start(self, pod: Object, node: str) -> None:
        """Start a worker for a pod; a process that its record names is adopted."""
        metadata = pod["metadata"]
        record = self.unowned.get(metadata["uid"])
        if record is None:
            record = Record(metadata["uid"], metadata["namespace"], metadata["name"], node, self._next_host())
            self._runtime.records.write(record)
        worker = PodWorker(pod, record, self._nodes[record.node], self._runtime, self._api, self)
        self._workers[record.uid] = worker
        self._tasks[record.uid] = asyncio.get_running_loop().create_task(worker.run())

    def changed(self, worker: PodView) -> None:
        """Keep the index of endpoints up to date; called by workers."""
        if worker.serving:
            labels = dict(labels_of(worker.pod))
            endpoint = Endpoint(worker.record.namespace, worker.address, worker.container.ready, labels)
            self.endpoints.put(worker.record.uid, endpoint)
        else:
            self.endpoints.remove(worker.record.uid)

    def done(self, worker: PodView) -> None:
        """Forget a worker that has ended; called by workers."""
        uid = worker.record.uid
        self.endpoints.remove(uid)
        self._workers.pop(uid, None)
        self._tasks.pop(uid, None)
        self._runtime.forget(worker.record)
        if self._collection is None:
            self._collection = asyncio.get_running_loop().call_later(COLLECT_S, self._collect)

    def _collect(self) -> None:
        """Free the memory of ended workers.

        Their parts refer to each other, and Python's own collector comes only when a quarter of all objects
        is new: the next pods would get new memory instead of that of the former ones.
        """
        self._collection = None
        gc.collect()

    async def freeze(self, node: str) -> int:
        """Freeze all pods of a node, keep their records as unowned, and return how many pods there were."""
        frozen = [worker for worker in self if worker.record.node == node]
        for worker in frozen:
            worker.freeze()
        tasks = [self._tasks.pop(worker.record.uid) for worker in frozen]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for worker in frozen:
            uid = worker.record.uid
            self.endpoints.remove(uid)
            del self._workers[uid]
            self.unowned[uid] = worker.record
        return len(frozen)

    def kill_unowned(self, node: str) -> list[Record]:
        """Kill the processes of a node's unowned records, even one that is about to start.

        Return the records.
        """
        records = [record for record in self.unowned.values() if record.node == node]
        for record in records:
            if record.alive:
                signal_session(record.pid, signal.SIGKILL)
            next_log = self._runtime.log_file(record.uid, record.container + 1).name
            end_unrecorded(self._runtime.logs, {record.pid}, next_log)
        return records

    def remove_absent(self, present: Collection[str]) -> None:
        """End the pods that the API server no longer has.

        Args:
            present: UIDs of all pods in the newest list.
        """
        for worker in self:
            if worker.record.uid not in present:
                worker.remove()
        for uid, record in self.unowned.items():
            if uid not in present:
                if record.alive:
                    signal_session(record.pid, signal.SIGKILL)
                self._runtime.forget(record)

    def keep_unowned(self, nodes: Collection[str]) -> None:
        """Drop unowned records of all other nodes: their pods have a worker, or are finished."""
        self.unowned = {uid: record for uid, record in self.unowned.items() if record.node in nodes}

    def _next_host(self) -> int:
        taken = {worker.record.host for worker in self} | {record.host for record in self.unowned.values()}
        while True:
            self._host = self._host % MAX_HOSTS + 1
            if self._host not in taken:
                return self._host

"""The objects of one run in the cluster: its Architecture and its Faults, created, read and removed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from spiko_cli.errors import SpikoError
from spiko_cli.running.run_spec import RunOptions, RunSpec, faults_of
from spiko_local.objects import Object, status_of
from spiko_operator.api.architecture import KIND
from spiko_operator.api.common import API_VERSION
from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError, Missing
from spiko_operator.plan import names

MANAGER = "spiko-run"
POLL_S = 0.1
COLLECTED_S, REMOVE_S, GONE_S = 15.0, 20.0, 30.0


class RunObjects:
    """The Architecture and the Faults of one run.

    Args:
        client: of the API server.
        spec: what is run.
        options: how.
    """

    def __init__(self, client: Client, spec: RunSpec, options: RunOptions) -> None:
        self._client, self._spec = client, spec
        self._namespace, self._keep = options.namespace, options.keep
        self.planned = faults_of(spec, options.seed)
        self.injected: list[Object] = []  # Faults as the API server returned them
        self._uid = ""  # of the Architecture that this run has created

    async def require_absent(self, stop: asyncio.Event) -> None:
        """Check that neither the Architecture nor one of its Faults exists.

        A Fault runs only once, and the report of an earlier one would be taken for this run's.

        Args:
            stop: ends the wait for Faults that the garbage collector is about to remove.

        Raises:
            SpikoError: one exists.
        """
        name = self._spec.name
        with contextlib.suppress(Missing):
            await self.read()
            raise SpikoError(
                f'architecture "{name}" already exists in namespace "{self._namespace}";'
                f" `kubectl delete arch {name} -n {self._namespace}`, or choose another namespace with -n"
            )
        for fault in self.planned:
            await self._require_fault_absent(fault["metadata"]["name"], stop)

    async def _require_fault_absent(self, name: str, stop: asyncio.Event) -> None:
        """Wait while a Fault has an owner: after an earlier run with --keep, it is about to be removed."""
        namespace, end = self._namespace, time.monotonic() + COLLECTED_S
        with contextlib.suppress(Missing):
            while (await self._client.get("Fault", namespace, name))["metadata"].get("ownerReferences"):
                if time.monotonic() > end or stop.is_set():
                    break
                await asyncio.sleep(POLL_S)
            raise SpikoError(
                f'fault "{name}" already exists in namespace "{namespace}", and a Fault runs only once;'
                f" `kubectl delete fault {name} -n {namespace}`, or choose another namespace with -n"
            )

    async def create(self, manifest: Object) -> None:
        """Apply the Architecture for the first time.

        Raises:
            SpikoError: the namespace does not exist.
        """
        self._uid = (await self.apply(manifest))["metadata"]["uid"]

    async def apply(self, manifest: Object) -> Object:
        """Apply a manifest of the Architecture and return the object.

        Raises:
            SpikoError: the namespace does not exist.
        """
        try:
            return await self._client.apply(self._placed(manifest), MANAGER)
        except Missing as error:
            namespace = self._namespace
            raise SpikoError(
                f'namespace "{namespace}" does not exist;'
                f" create it with `kubectl create namespace {namespace}`"
            ) from error

    async def read(self) -> Object:
        """Return the Architecture.

        Raises:
            Missing: it does not exist.
        """
        return await self._client.get("Architecture", self._namespace, self._spec.name)

    async def inject(self, fault: Object) -> None:
        """Create a Fault that the Architecture owns: with --keep both stay, and are removed together.

        Raises:
            ClusterError: the API server refused it or did not answer.
        """
        owner = {"apiVersion": API_VERSION, "kind": KIND, "name": self._spec.name, "uid": self._uid}
        created = await self._client.create("Fault", self._placed(fault, ownerReferences=[owner]), MANAGER)
        self.injected.append(created)

    async def read_fault(self, fault: Object) -> Object:
        """Return an injected Fault; the object given if it was deleted or replaced."""
        with contextlib.suppress(Missing):
            body = await self._client.get("Fault", self._namespace, fault["metadata"]["name"])
            if body["metadata"]["uid"] == fault["metadata"]["uid"]:
                return body
        return fault

    async def read_addresses(self) -> dict[str, str]:
        """Return the addresses of the Architecture's pods by UID."""
        return {pod["metadata"]["uid"]: status_of(pod).get("podIP", "") for pod in await self._pods()}

    async def clean_up(self) -> None:
        """Remove all objects of the run; with --keep restore the Architecture of the file instead.

        Raises:
            SpikoError: the API server refuses that, or does not answer within 20 s.
        """
        try:
            async with asyncio.timeout(REMOVE_S):
                await (self.apply(self._spec.architecture) if self._keep and self._uid else self._remove())
        except (TimeoutError, ClusterError) as error:
            name, why = (
                self._spec.name,
                str(error) or f"the API server does not answer within {REMOVE_S:.0f} s",
            )
            raise SpikoError(
                f'{why}: architecture "{name}" may still exist;'
                f" `kubectl delete arch {name} -n {self._namespace}`"
            ) from error

    async def _remove(self) -> None:
        """Remove the objects of this run, and no others of the same names."""
        for fault in self.injected:
            metadata = fault["metadata"]
            await self._client.delete("Fault", self._namespace, metadata["name"], metadata["uid"])
        with contextlib.suppress(Missing):
            metadata = (await self.read())["metadata"]
            if self._uid == metadata["uid"] or (not self._uid and _is_applied_by_run(metadata)):
                await self._client.delete("Architecture", self._namespace, self._spec.name, metadata["uid"])

    async def wait_pods_gone(self, stop: asyncio.Event) -> None:
        """Wait until the pods of the removed architecture are gone, for 30 s at most.

        Args:
            stop: ends the wait.
        """
        end = time.monotonic() + GONE_S
        while await self._pods():
            if stop.is_set() or time.monotonic() > end:
                return
            await asyncio.sleep(POLL_S)

    async def _pods(self) -> list[Object]:
        labels = f"{names.ARCHITECTURE}={self._spec.name}"
        return await self._client.list("Pod", self._namespace, labels)

    def _placed(self, manifest: Object, **more: Any) -> Object:
        return manifest | {"metadata": manifest["metadata"] | {"namespace": self._namespace, **more}}


def _is_applied_by_run(metadata: Object) -> bool:
    """Return whether an apply created the object whose answer the run did not wait for."""
    return any(entry.get("manager") == MANAGER for entry in metadata.get("managedFields") or ())

"""`python -m spiko_local.supervisor HOME` starts the components of a local cluster, keeps them running, and
stops them.

No process outlives the supervisor. The kernel kills its children with it. The pods, which must outlive their
kubelet, hold the reading end of a pipe (the lifeline) whose writing end only the supervisor has. The
supervisor is also a child subreaper, so it can wait for orphaned pod processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from spiko_local.api_client import ApiClient
from spiko_local.components import API_STAGE, Ports, build_components
from spiko_local.crds import install_crds
from spiko_local.errors import ApiError, ComponentFailed, LocalError
from spiko_local.health import build_context, ready_nodes
from spiko_local.home import Home, start_time, write_atomically
from spiko_local.managed_process import ManagedProcess, ProcessContext
from spiko_local.nodes import read_nodes
from spiko_local.processes import adopt_orphans, find_children, raise_file_limit

READY_S = 60.0
STOP_S = 5.0
POLL_S = 0.05
log = logging.getLogger("spiko.supervisor")


class Supervisor:
    """Runs one local cluster.

    Args:
        home: with a plan.
    """

    def __init__(self, home: Home) -> None:
        plan = json.loads(home.plan.read_text())
        self._home = home
        self._nodes = read_nodes(Path(plan["nodes"]))
        # Children inherit the reading end by its number; an exec closes the writing end for them.
        self._reading, self._writing = os.pipe()
        binaries = Path(plan["binaries"]) if plan["binaries"] is not None else None
        components = build_components(home, binaries, Ports(**plan["ports"]), plan["nodes"], plan["operator"])
        context = ProcessContext(home.logs, self._reading, build_context(home.pki), self._write_state)
        self._processes = [ManagedProcess(component, context) for component in components]
        self._ready, self._stopping, self._failed = False, False, ""

    async def run(self) -> int:
        """Start all components, keep them running until SIGTERM, and return the exit code."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        adopt_orphans()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)
        starting = asyncio.create_task(self._start())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            self._conclude(starting)
        if not self._failed:
            await stopped
        starting.cancel()
        await self._stop()
        return 1 if self._failed else 0

    def _conclude(self, starting: asyncio.Task[None]) -> None:
        error = starting.exception()
        if error is None:
            self._ready = True
        elif isinstance(error, LocalError):
            self._failed = str(error)
        else:
            self._failed = repr(error)
            log.error("start failed", exc_info=error)
        self._write_state()

    # ---------------------------------------------------------------- start

    async def _start(self) -> None:
        raise_file_limit()
        self._write_state()
        for stage in sorted({process.component.stage for process in self._processes}):
            processes = [process for process in self._processes if process.component.stage == stage]
            for process in processes:
                process.start()
            await asyncio.gather(*(self._wait_ready(process) for process in processes))
            if stage == API_STAGE:
                await self._install_crds()
        await self._wait_nodes()

    async def _install_crds(self) -> None:
        try:
            async with ApiClient(self._home.kubeconfig) as api, asyncio.timeout(READY_S):
                await install_crds(api)
        except TimeoutError as error:
            names = (
                process.component.name for process in self._processes if process.component.stage == API_STAGE
            )
            text = f"the CRDs are not Established after {READY_S:.0f} s; the end of the API server's log"
            raise ComponentFailed(f"{text}:\n{self._home.log_tail(next(names))}") from error

    async def _wait_ready(self, process: ManagedProcess) -> None:
        try:
            await process.wait_ready(READY_S)
        except ComponentFailed as error:
            tail = self._home.log_tail(process.component.name)
            raise ComponentFailed(f"{error}; the end of its log:\n{tail}") from error

    async def _wait_nodes(self) -> None:
        wanted = {node.name for node in self._nodes}
        end = time.monotonic() + READY_S
        ready: set[str] = set()
        async with ApiClient(self._home.kubeconfig) as api:
            while True:
                with contextlib.suppress(ApiError):
                    ready = ready_nodes((await api.call("GET", "/api/v1/nodes"))["items"])
                if wanted <= ready:
                    return
                if time.monotonic() > end:
                    late = ", ".join(sorted(wanted - ready))
                    tail = self._home.log_tail("kubelet")
                    text = f"nodes are not Ready after {READY_S:.0f} s: {late}; the end of the kubelet's log"
                    raise ComponentFailed(f"{text}:\n{tail}")
                await asyncio.sleep(POLL_S)

    # ---------------------------------------------------------------- stop

    async def _stop(self) -> None:
        """Stop in the opposite order; the pods after their kubelet and before the control plane."""
        self._stopping = True
        self._write_state()
        for process in reversed(self._processes):
            await process.stop(STOP_S)
            if process.component.lifeline:
                os.close(self._writing)
                await self._end_pods()
        self._write_state()

    async def _end_pods(self) -> None:
        """Wait until the pods, which have seen the end of the lifeline, have ended.

        Kill those that do not.
        """
        end = time.monotonic() + STOP_S
        while left := self._orphans():
            if time.monotonic() > end:
                log.warning("%d pod processes ignored shutdown; killed", len(left))
                for pid in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                end += STOP_S
            await asyncio.sleep(POLL_S)

    def _orphans(self) -> list[int]:
        """Return the pids of adopted children, and reap those that have ended."""
        managed = {process.process.pid for process in self._processes if process.process is not None}
        living = []
        for pid, ended in find_children(os.getpid()):
            if pid in managed:
                continue
            if not ended:
                living.append(pid)
                continue
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return living

    def _reap(self) -> None:
        """Reap adopted children; asyncio reaps managed ones, even while it starts them."""
        if not any(process.starting for process in self._processes):
            self._orphans()

    def _write_state(self) -> None:
        state = {
            "pid": os.getpid(),
            "started": start_time(os.getpid()),
            "ready": self._ready,
            "failed": self._failed,
            "stopping": self._stopping,
            "parts": [asdict(process.state) for process in self._processes],
        }
        with contextlib.suppress(OSError):  # the home may have been removed
            write_atomically(self._home.state, json.dumps(state))


def main() -> None:
    """Run until SIGTERM."""
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    sys.exit(asyncio.run(Supervisor(Home(Path(sys.argv[1]))).run()))


if __name__ == "__main__":
    main()

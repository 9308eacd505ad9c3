"""`python -m spiko_local.supervisor HOME`: starts the parts of a local cluster, keeps them up, and takes them down.

Nobody outlives the supervisor: its children are killed with it by the kernel, and the pods, which must outlive their kubelet, hold the reading
end of a pipe whose writing end only the supervisor has. It is also the parent of whoever loses theirs, so that the end of all can be waited for.
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

from spiko_local.api_client import Api
from spiko_local.components import API_STAGE, Ports, build_parts
from spiko_local.crds import install_crds
from spiko_local.errors import ApiError, LocalError, PartFailed
from spiko_local.health import build_context, ready_nodes
from spiko_local.home import Home, start_time, write_atomically
from spiko_local.managed_process import Keeper
from spiko_local.nodes import read_nodes
from spiko_local.processes import adopt_orphans, find_children, raise_file_limit

READY_S = 60.0
STOP_S = 5.0
LOOK_S = 0.05
log = logging.getLogger("spiko.supervisor")


class Supervisor:
    """One local cluster.

    Args:
        home: with a plan in it.
    """

    def __init__(self, home: Home) -> None:
        plan = json.loads(home.plan.read_text())
        self._home = home
        self._nodes = read_nodes(Path(plan["nodes"]))
        # children inherit the reading end by its number; the writing end is closed for them by exec
        self._reading, self._writing = os.pipe()
        binaries = Path(plan["binaries"]) if plan["binaries"] is not None else None
        parts = build_parts(home, binaries, Ports(**plan["ports"]), plan["nodes"], plan["operator"])
        context = build_context(home.pki)
        self._keepers = [Keeper(part, home.logs, self._reading, context, self._write_state) for part in parts]
        self._ready, self._stopping, self._failed = False, False, ""

    async def run(self) -> int:
        """Start everything, then keep it up until SIGTERM; returns the exit code."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        adopt_orphans()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._collect)
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
            log.error("starting failed", exc_info=error)
        self._write_state()

    # ---------------------------------------------------------------- starting

    async def _start(self) -> None:
        raise_file_limit()
        self._write_state()
        for stage in sorted({keeper.part.stage for keeper in self._keepers}):
            keepers = [keeper for keeper in self._keepers if keeper.part.stage == stage]
            for keeper in keepers:
                keeper.start()
            await asyncio.gather(*(self._wait_ready(keeper) for keeper in keepers))
            if stage == API_STAGE:
                await self._install_crds()
        await self._wait_nodes()

    async def _install_crds(self) -> None:
        try:
            async with Api(self._home.kubeconfig) as api, asyncio.timeout(READY_S):
                await install_crds(api)
        except TimeoutError as error:
            server = next(keeper.part.name for keeper in self._keepers if keeper.part.stage == API_STAGE)
            text = f"the CRDs are not Established after {READY_S:.0f} s; the end of the API server's log"
            raise PartFailed(f"{text}:\n{self._home.log_tail(server)}") from error

    async def _wait_ready(self, keeper: Keeper) -> None:
        try:
            await keeper.wait_ready(READY_S)
        except PartFailed as error:
            raise PartFailed(f"{error}; the end of its log:\n{self._home.log_tail(keeper.part.name)}") from error

    async def _wait_nodes(self) -> None:
        wanted = {node.name for node in self._nodes}
        end = time.monotonic() + READY_S
        ready: set[str] = set()
        async with Api(self._home.kubeconfig) as api:
            while True:
                with contextlib.suppress(ApiError):
                    ready = ready_nodes((await api.call("GET", "/api/v1/nodes"))["items"])
                if wanted <= ready:
                    return
                if time.monotonic() > end:
                    late = ", ".join(sorted(wanted - ready))
                    raise PartFailed(
                        f"nodes do not become Ready: {late}; the end of the kubelet's log:\n{self._home.log_tail('kubelet')}"
                    )
                await asyncio.sleep(LOOK_S)

    # ---------------------------------------------------------------- stopping

    async def _stop(self) -> None:
        """In the opposite order; the pods go after their kubelet and before the control plane."""
        self._stopping = True
        self._write_state()
        for keeper in reversed(self._keepers):
            await keeper.stop(STOP_S)
            if keeper.part.lifeline:
                os.close(self._writing)
                await self._end_pods()
        self._write_state()

    async def _end_pods(self) -> None:
        """The pods have seen the lifeline's end; whoever is deaf is killed. All are our children, for their kubelet is dead."""
        end = time.monotonic() + STOP_S
        while left := self._others():
            if time.monotonic() > end:
                log.warning("%d processes of pods are deaf; killed", len(left))
                for pid in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                end += STOP_S
            await asyncio.sleep(LOOK_S)

    def _others(self) -> list[int]:
        """Children that no keeper has: adopted ones. Those that have ended are collected."""
        kept = {keeper.process.pid for keeper in self._keepers if keeper.process is not None}
        living = []
        for pid, ended in find_children(os.getpid()):
            if pid in kept:
                continue
            if not ended:
                living.append(pid)
                continue
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return living

    def _collect(self) -> None:
        """Some child has ended. Only adopted ones are ours to collect: asyncio does it for a keeper's, even for one that it has not heard of yet."""
        if not any(keeper.starting for keeper in self._keepers):
            self._others()

    def _write_state(self) -> None:
        state = {
            "pid": os.getpid(),
            "started": start_time(os.getpid()),
            "ready": self._ready,
            "failed": self._failed,
            "stopping": self._stopping,
            "parts": [asdict(keeper.running) for keeper in self._keepers],
        }
        with contextlib.suppress(OSError):  # the home was removed under us
            write_atomically(self._home.state, json.dumps(state))


def main() -> None:
    """Run until told to stop."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    sys.exit(asyncio.run(Supervisor(Home(Path(sys.argv[1]))).run()))


if __name__ == "__main__":
    main()

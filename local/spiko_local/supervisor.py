"""`python -m spiko_local.supervisor HOME`: starts the parts of a local cluster, keeps them up, and takes them down.

A part that dies is started again after 0.2 s, doubling to 10 s, reset by 10 s of life. Nobody outlives the supervisor: its children are killed
with it by the kernel, and the pods, which must outlive their kubelet, hold the reading end of a pipe whose writing end only the supervisor
has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp

from spiko_local.api import Api
from spiko_local.errors import ApiError, PartFailed
from spiko_local.home import Home, start_time, write_atomically
from spiko_local.install import install_crds
from spiko_local.nodes import read_nodes
from spiko_local.parts import Part, Ports, build_parts
from spiko_local.processes import raise_file_limit, start_process

FIRST_PAUSE_S, LONGEST_PAUSE_S, HEALTHY_S = 0.2, 10.0, 10.0
READY_S = 60.0
STOP_S = 5.0
log = logging.getLogger("spiko.supervisor")


@dataclass
class Running:
    """What `spiko status` shows of one part."""

    name: str
    pid: int = 0
    since: float = 0.0
    restarts: int = 0
    ready: bool = False
    error: str = ""


class Supervisor:
    """One local cluster."""

    def __init__(self, home: Home) -> None:
        plan = json.loads(home.plan.read_text())
        self._home = home
        self._nodes_file = Path(plan["nodes"]) if plan["nodes"] else None
        nodes = plan["nodes"] or str(Path(__file__).with_name("kind-config.yaml"))
        self._parts = build_parts(home, Path(plan["binaries"]), Ports(**plan["ports"]), nodes, plan["operator"])
        self._running = {part.name: Running(part.name) for part in self._parts}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._ready = False
        self._failed = ""
        self._reading, self._writing = os.pipe()

    async def run(self) -> None:
        """Start everything, then keep it up until SIGTERM."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        raise_file_limit()
        self._write_state()
        starting = asyncio.create_task(self._start())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and (error := starting.exception()) is not None:
            log.error("%s", error)
            self._failed = str(error)
        elif starting.done():
            self._ready = True
        self._write_state()
        if not self._failed:
            await stopped
        starting.cancel()
        await self._stop()
        self._write_state()

    # ---------------------------------------------------------------- starting

    async def _start(self) -> None:
        for stage in sorted({part.stage for part in self._parts}):
            parts = [part for part in self._parts if part.stage == stage]
            for part in parts:
                self._tasks.append(asyncio.create_task(self._keep(part)))
            await asyncio.gather(*(self._wait_ready(part) for part in parts))
            if stage == 1:
                async with Api(self._home.kubeconfig) as api:
                    await install_crds(api)
            if any(part.name == "kubelet" for part in parts):
                await self._wait_nodes()

    async def _wait_ready(self, part: Part) -> None:
        """Ask until it answers.

        Raises:
            PartFailed: it died three times, or a minute has passed.
        """
        running = self._running[part.name]
        end = time.monotonic() + READY_S
        while part.ready and not await _answers(part.ready):
            if running.restarts >= 3 or time.monotonic() > end:
                raise PartFailed(f"{part.name} does not start; the end of its log:\n{self._home.log_tail(part.name)}")
            await asyncio.sleep(0.03)
        running.ready = True
        self._write_state()

    async def _wait_nodes(self) -> None:
        wanted = {node.name for node in read_nodes(self._nodes_file)}
        end = time.monotonic() + READY_S
        async with Api(self._home.kubeconfig) as api:
            while True:
                with contextlib.suppress(ApiError):
                    nodes = (await api.call("GET", "/api/v1/nodes"))["items"]
                    ready = {node["metadata"]["name"] for node in nodes if _is_ready(node)}
                    if wanted <= ready:
                        return
                if time.monotonic() > end:
                    raise PartFailed(
                        f"the nodes do not become Ready; the end of the kubelet's log:\n{self._home.log_tail('kubelet')}"
                    )
                await asyncio.sleep(0.05)

    # ---------------------------------------------------------------- keeping

    async def _keep(self, part: Part) -> None:
        """Run one part for ever."""
        running = self._running[part.name]
        command, keep_open = list(part.command), []
        if part.lifeline:
            command += ["--lifeline", str(self._reading)]
            keep_open = [self._reading]
        pause_s = FIRST_PAUSE_S
        while not self._stopping:
            process = await start_process(command, self._home.logs / f"{part.name}.log", part.environ, keep_open)
            self._processes[part.name] = process
            running.pid, running.since = process.pid, time.time()
            self._write_state()
            began = time.monotonic()
            code = await process.wait()
            if self._stopping:
                return
            if time.monotonic() - began > HEALTHY_S:
                pause_s = FIRST_PAUSE_S
            running.restarts += 1
            running.error = f"ended with {code}"
            log.warning("%s ended with %s; again in %.1f s", part.name, code, pause_s)
            self._write_state()
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    # ---------------------------------------------------------------- stopping

    async def _stop(self) -> None:
        """In the opposite order; pods go with the kubelet."""
        self._stopping = True
        for part in sorted(self._parts, key=lambda p: (-p.stage, p.name != "kubelet")):
            process = self._processes.get(part.name)
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    async with asyncio.timeout(STOP_S):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
            if part.name == "kubelet" and self._writing >= 0:
                os.close(self._writing)  # the pods end at once
                self._writing = -1
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _write_state(self) -> None:
        state = {
            "pid": os.getpid(),
            "started": start_time(os.getpid()),
            "ready": self._ready,
            "failed": self._failed,
            "stopping": self._stopping,
            "parts": [asdict(running) for running in self._running.values()],
        }
        with contextlib.suppress(OSError):  # the home was removed under us
            write_atomically(self._home.state, json.dumps(state))


async def _answers(url: str) -> bool:
    """Whether an URL answers 200, or at all where the question is not ours to ask (401, 403). Loopback: the certificate does not matter."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
            session.get(url, ssl=context) as reply,
        ):
            return reply.status in (200, 401, 403)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


def _is_ready(node: dict[str, object]) -> bool:
    status = node.get("status")
    conditions = status.get("conditions", ()) if isinstance(status, dict) else ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def main() -> None:
    """Run until told to stop."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(Supervisor(Home(Path(sys.argv[1]))).run())


if __name__ == "__main__":
    main()

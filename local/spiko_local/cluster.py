"""What `spiko up`, `down` and `status` do: prepare a home, start the supervisor, ask it, stop it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from random import SystemRandom
from typing import Any

from spiko_local.api_client import Api
from spiko_local.components import BINARIES, KUBELET_PORT, Ports, kubeconfig_document
from spiko_local.errors import AlreadyUp, ApiError, LocalError, NotUp, PartFailed
from spiko_local.health import ask_all, build_context, ready_nodes
from spiko_local.home import KEPT, Home, start_time, write_atomically
from spiko_local.node_power import read_power
from spiko_local.nodes import Node, read_nodes
from spiko_local.pki import make_pki
from spiko_local.ports import check_addresses, find_ports
from spiko_local.processes import read_memory

BUILT_IN_NODES = Path(__file__).with_name("kind-config.yaml")
LOOK_S = 0.05
STOP_S = 45.0  # longer than the supervisor gives all its parts together
Say = Callable[[str], None]


def up(
    home: Home, binaries: Path | None, nodes: Path | None, operator: bool, timeout_s: float, say: Say
) -> dict[str, Any]:
    """Bring a cluster up and wait until it is ready.

    Args:
        home: its folder; a killed cluster's remains in it are removed, data kept by `down` are used.
        binaries: folder with etcd and the three of Kubernetes; None for an API server of our own.
        nodes: a kind configuration; None for the built-in one.
        operator: whether to run the operator.
        timeout_s: how long to wait.
        say: called with lines of progress.

    Returns:
        The supervisor's state.

    Raises:
        AlreadyUp: one runs.
        LocalError: something is missing or does not start; whatever was started is stopped again.
    """
    if home.read_state() is not None:
        raise AlreadyUp(f"a local cluster is up already: export KUBECONFIG={home.kubeconfig}; `spiko down` stops it")
    missing = [name for name in BINARIES if binaries is not None and not os.access(binaries / name, os.X_OK)]
    if missing:
        raise LocalError(
            f"--control-plane: {binaries} lacks {', '.join(missing)}; `python tests/cluster/build.py` builds them"
        )
    found = read_nodes(nodes)
    check_addresses((node.address for node in found), KUBELET_PORT)
    began = time.monotonic()
    remembered = _clear(home, say)
    home.create()
    with _alone(home):
        try:
            _prepare(home, binaries, nodes, operator, remembered)
            zones = ", ".join(sorted({zone_of(node) for node in found}))
            say(f"{len(found)} nodes in {zones}; certificates: {time.monotonic() - began:.1f} s")
            process = _start_supervisor(home)
            try:
                return _wait(home, process, timeout_s, say)
            except BaseException:  # a Ctrl-C as well: half a cluster is of no use to anybody
                with uninterrupted():
                    _end(process)
                raise
        except KeyboardInterrupt:
            home.remove(KEPT if remembered else ())
            raise


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let no Ctrl-C through, nor a SIGTERM: what is being taken down is taken down whole. For the main thread; the work must be bounded."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def down(home: Home, keep: bool) -> dict[str, Any] | None:
    """Stop the cluster and remove its state.

    Args:
        home: its folder.
        keep: leave the API server's data and the logs; the next `up` goes on with them.

    Returns:
        The state of the one that was stopped; None if none was up.
    """
    state = home.read_state()
    if state is not None:
        _end_supervisor(int(state["pid"]), state["started"])
    home.remove(KEPT if keep else ())
    return state


def status(home: Home) -> dict[str, Any]:
    """What runs: the supervisor's state, and what parts and nodes say now.

    Raises:
        NotUp: nothing does.
    """
    state = home.read_state()
    if state is None:
        raise NotUp(f"no local cluster is up (looked in {home.path}); `spiko up` starts one")
    healthy, nodes = asyncio.run(_ask(home, {part["name"]: part.get("url", "") for part in state["parts"]}))
    for part in state["parts"]:
        part["healthy"] = bool(part["pid"]) and healthy.get(part["name"], False)
        part["memoryBytes"] = read_memory(part["pid"]) if part["pid"] else 0
    off = read_power(home).off
    return state | {
        "kubeconfig": str(home.kubeconfig),
        "nodes": [node | {"on": node["name"] not in off} for node in nodes],
    }


async def _ask(home: Home, urls: dict[str, str]) -> tuple[dict[str, bool], list[dict[str, Any]]]:
    healthy = await ask_all(urls, build_context(home.pki))
    items: list[dict[str, Any]] = []
    with contextlib.suppress(ApiError):
        async with Api(home.kubeconfig) as api:
            items = (await api.call("GET", "/api/v1/nodes"))["items"]
    ready = ready_nodes(items)
    zone = "topology.kubernetes.io/zone"
    names = [(item["metadata"]["name"], item["metadata"].get("labels", {}).get(zone, "")) for item in items]
    return healthy, [{"name": name, "zone": place, "ready": name in ready} for name, place in names]


def zone_of(node: Node) -> str:
    """A node's zone, for messages."""
    return node.labels.get("topology.kubernetes.io/zone", "no zone")


def _clear(home: Home, say: Say) -> Ports | None:
    """Remove what a killed cluster left; of one that was kept, return the ports."""
    last = home.read_last_state()
    if last is not None:
        say(f"the cluster of supervisor {last['pid']} was killed; its remains are removed")
    try:
        remembered = Ports(**json.loads(home.plan.read_text())["ports"])
    except (OSError, ValueError, KeyError, TypeError):
        remembered = None
    kept = last is None and (home.etcd.is_dir() or home.objects.is_dir()) and remembered is not None
    if kept:
        say(f"going on with the data in {home.path}")
    home.remove(KEPT if kept else ())
    return remembered if kept else None


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Keep a second `up` out, by a lock on the folder itself: it leaves nothing behind."""
    descriptor = os.open(home.path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise AlreadyUp(
            f"{home.path}: another `spiko up` is at work here; wait for it, or use another SPIKO_HOME"
        ) from error
    finally:
        os.close(descriptor)


def _prepare(home: Home, binaries: Path | None, nodes: Path | None, operator: bool, remembered: Ports | None) -> None:
    ports = find_ports(SystemRandom(), remembered)
    plan = {
        "binaries": None if binaries is None else str(binaries.absolute()),
        "nodes": str((nodes or BUILT_IN_NODES).absolute()),
        "ports": asdict(ports),
        "operator": operator,
    }
    write_atomically(home.plan, json.dumps(plan))  # first: what lies beside a plan is ours, and may be removed
    make_pki(home.pki)
    token = secrets.token_urlsafe(32)
    write_atomically(home.pki / "tokens.csv", f'{token},spiko-admin,spiko-admin,"system:masters"\n')
    authority = base64.b64encode((home.pki / "ca.crt").read_bytes()).decode()
    document = kubeconfig_document(f"https://127.0.0.1:{ports.api}", authority, token)
    write_atomically(home.kubeconfig, json.dumps(document, indent=1))


def _start_supervisor(home: Home) -> subprocess.Popen[bytes]:
    with (home.logs / "supervisor.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "spiko_local.supervisor", str(home.path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _wait(home: Home, process: subprocess.Popen[bytes], timeout_s: float, say: Say) -> dict[str, Any]:
    began = time.monotonic()
    told: set[str] = set()
    while True:
        ended = process.poll() is not None
        state = home.read_last_state()
        for part in state["parts"] if state else ():
            if part["ready"] and part["name"] not in told:
                told.add(part["name"])
                say(f"{part['name']}: {part['took_s']:.1f} s")
        if state and state["failed"]:
            raise PartFailed(state["failed"])
        if state and state["ready"] and not ended:
            say(f"nodes Ready; {time.monotonic() - began:.1f} s in all")
            return state
        if ended:
            raise PartFailed(f"the supervisor ended; the end of its log:\n{home.log_tail('supervisor')}")
        if time.monotonic() - began > timeout_s:
            late = [part["name"] for part in (state["parts"] if state else ()) if not part["ready"]]
            raise PartFailed(
                f"not ready after {timeout_s:.0f} s: {', '.join(late) or 'the nodes'}; logs are in {home.logs}"
            )
        time.sleep(LOOK_S)


def _end_supervisor(pid: int, began: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        end = time.monotonic() + STOP_S
        while start_time(pid) == began and time.monotonic() < end:
            time.sleep(LOOK_S)
        if start_time(pid) != began:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()

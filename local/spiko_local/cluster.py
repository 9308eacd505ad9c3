"""What `spiko up`, `down` and `status` do: prepare a home, start the supervisor, ask it, stop it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spiko_local.errors import AlreadyUp, LocalError, NotUp, PartFailed
from spiko_local.home import Home, start_time, write_atomically
from spiko_local.nodes import read_nodes
from spiko_local.parts import BINARIES, Ports, kubeconfig_document
from spiko_local.pki import make_pki

LOOK_S = 0.05
STOP_S = 40.0
Say = Callable[[str], None]


def up(home: Home, binaries: Path, nodes: Path | None, operator: bool, timeout_s: float, say: Say) -> dict[str, Any]:
    """Bring a cluster up and wait until it is ready.

    Args:
        home: its folder; a dead cluster's remains in it are removed.
        binaries: folder with etcd and the three of Kubernetes.
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
    missing = [name for name in BINARIES if not os.access(binaries / name, os.X_OK)]
    if missing:
        raise LocalError(
            f"--control-plane: {binaries} lacks {', '.join(missing)}; `python tests/cluster/build.py` builds them"
        )
    found = read_nodes(nodes)
    home.remove()
    _prepare(home, binaries, nodes, operator)
    say(f"{len(found)} nodes in zones {', '.join(sorted({zone_of(node.labels) for node in found}))}")
    with (home.logs / "supervisor.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "spiko_local.supervisor", str(home.path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        return _wait(home, process, timeout_s, say)
    except BaseException:
        _end(process)
        raise


def down(home: Home, keep: bool) -> bool:
    """Stop the cluster and remove its state; returns whether one was up.

    Args:
        home: its folder.
        keep: leave data and logs where they are.
    """
    state = home.read_state()
    if state is not None:
        pid, began = int(state["pid"]), state["started"]
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + STOP_S
        while start_time(pid) == began:
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                end += STOP_S
            time.sleep(LOOK_S)
    if keep:
        home.state.unlink(missing_ok=True)
    else:
        home.remove()
    return state is not None


def status(home: Home) -> dict[str, Any]:
    """What runs.

    Raises:
        NotUp: nothing does.
    """
    state = home.read_state()
    if state is None:
        raise NotUp(f"no local cluster is up (looked in {home.path}); `spiko up --control-plane DIR` starts one")
    return state | {"kubeconfig": str(home.kubeconfig)}


def zone_of(labels: dict[str, str]) -> str:
    """A node's zone, for messages."""
    return labels.get("topology.kubernetes.io/zone", "(none)")


def _prepare(home: Home, binaries: Path, nodes: Path | None, operator: bool) -> None:
    home.create()
    make_pki(home.pki)
    token = secrets.token_urlsafe(32)
    write_atomically(home.pki / "tokens.csv", f'{token},spiko-admin,spiko-admin,"system:masters"\n')
    ports = free_ports()
    authority = base64.b64encode((home.pki / "ca.crt").read_bytes()).decode()
    document = kubeconfig_document(f"https://127.0.0.1:{ports.api}", authority, token)
    write_atomically(home.kubeconfig, json.dumps(document, indent=1))
    plan = {
        "binaries": str(binaries.absolute()),
        "nodes": str(nodes.absolute()) if nodes else "",
        "ports": asdict(ports),
        "operator": operator,
    }
    write_atomically(home.plan, json.dumps(plan))


def free_ports() -> Ports:
    """Six loopback ports that nobody has now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(6)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return Ports(*(each.getsockname()[1] for each in sockets))


def _wait(home: Home, process: subprocess.Popen[bytes], timeout_s: float, say: Say) -> dict[str, Any]:
    began = time.monotonic()
    told: set[str] = set()
    while True:
        state = home.read_state()
        for part in state["parts"] if state else ():
            if part["ready"] and part["name"] not in told:
                told.add(part["name"])
                say(f"{part['name']} ready after {time.monotonic() - began:.1f} s")
        if state and state["failed"]:
            raise PartFailed(state["failed"])
        if state and state["ready"]:
            return state
        if process.poll() is not None:
            raise PartFailed(f"the supervisor ended; the end of its log:\n{home.log_tail('supervisor')}")
        if time.monotonic() - began > timeout_s:
            raise PartFailed(f"not ready after {timeout_s:.0f} s; logs are in {home.logs}")
        time.sleep(LOOK_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()

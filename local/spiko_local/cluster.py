"""What `spiko up`, `down` and `status` do: prepare a home, start its supervisor, query it, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiko_local.api_client import ApiClient
from spiko_local.components import BINARIES, KUBELET_PORT
from spiko_local.errors import AlreadyUp, ApiError, LocalError
from spiko_local.health import build_context, check_all, ready_nodes
from spiko_local.home import KEPT, Home
from spiko_local.home_setup import Say, Setup, check_same, locked, prepare, remove_remains
from spiko_local.interrupts import uninterrupted
from spiko_local.node_power import read_power
from spiko_local.nodes import ZONE_LABEL, Node, read_nodes, read_warnings
from spiko_local.objects import Object, labels_of
from spiko_local.ports import check_addresses, only_start
from spiko_local.processes import read_memory
from spiko_local.supervisor_process import start_supervisor, stop_supervisor, terminate_supervisor, wait_ready

DOWN_S = 60.0  # how long `down` waits for an `up` in the same home


@dataclass(frozen=True)
class UpOptions:
    """How a cluster is brought up.

    Args:
        binaries: folder with etcd and three programs of Kubernetes; None for the built-in API server.
        nodes: a kind configuration; None for the built-in one.
        operator: whether to run the operator.
        timeout_s: how long the start may take.
        join: whether a cluster is welcome that another process has started meanwhile.
    """

    binaries: Path | None = None
    nodes: Path | None = None
    operator: bool = True
    timeout_s: float = 60.0
    join: bool = True


def up(home: Home, options: UpOptions, say: Say) -> Object:
    """Bring a cluster up and wait until it is ready; if another process does so in this home, wait for that.

    Args:
        home: its folder. Remains of a killed cluster in it are removed; data kept by `down` are used.
        options: how.
        say: called with lines of progress.

    Returns:
        The supervisor's state.

    Raises:
        AlreadyUp: a cluster is running.
        LocalError: something is missing or does not start; all started processes are stopped again.
    """
    _check_binaries(options.binaries)
    nodes = read_nodes(options.nodes)
    with locked(home, say, options.timeout_s) as waited:
        state = home.read_state()
        if state is not None and waited and state["ready"] and options.join:
            check_same(home, Setup(options.binaries, options.nodes, options.operator, None))
            say("using the cluster that the other one has started")
            return state
        if state is not None:
            raise AlreadyUp(
                f"a local cluster is up already: export KUBECONFIG={home.kubeconfig}; `spiko down` stops it"
            )
        with only_start():
            check_addresses((node.address for node in nodes), KUBELET_PORT)
            return _start(home, options, nodes, say)


def _start(home: Home, options: UpOptions, nodes: Sequence[Node], say: Say) -> Object:
    """Start a cluster in a locked home, and return the supervisor's state."""
    began = time.monotonic()
    remembered = remove_remains(home, say)
    home.create()
    try:
        prepare(home, Setup(options.binaries, options.nodes, options.operator, remembered))
        for warning in read_warnings(options.nodes):
            say(warning)
        zones = ", ".join(sorted({node.zone for node in nodes}))
        say(f"{len(nodes)} nodes in {zones}; certificates: {time.monotonic() - began:.1f} s")
        process = start_supervisor(home)
        try:
            return wait_ready(home, process, options.timeout_s, say)
        except BaseException:  # Ctrl-C included: half a cluster is of no use
            with uninterrupted():
                terminate_supervisor(process)
            raise
    except KeyboardInterrupt:
        home.remove(KEPT if remembered else ())
        raise


def down(home: Home, keep: bool) -> Object | None:
    """Stop the cluster and remove its state.

    Args:
        home: its folder.
        keep: leave the API server's data and the logs; the next `up` continues with them.

    Returns:
        The state of the stopped cluster; None if none was up.

    Raises:
        LocalError: an `up` in this home takes too long.
    """
    state = home.read_state()
    if state is not None:
        stop_supervisor(int(state["pid"]), state["started"])
    if not home.path.exists():
        return state
    # An `up` in this home may still be at work: it must not lose its files, and is stopped as well.
    with locked(home, lambda line: None, DOWN_S):
        present = home.read_state()
        if present is not None and state is not None:
            return state  # the `up` has started the next cluster
        if present is not None:
            state = present
            stop_supervisor(int(state["pid"]), state["started"])
        home.remove(KEPT if keep else ())
    return state


def status(home: Home) -> Object:
    """Return the supervisor's state, with the present health of components and nodes.

    Raises:
        NotUp: no local cluster is running.
    """
    state = home.require_state()
    healthy, nodes = asyncio.run(_query(home, {part["name"]: part.get("url", "") for part in state["parts"]}))
    for part in state["parts"]:
        part["healthy"] = bool(part["pid"]) and healthy.get(part["name"], False)
        part["memoryBytes"] = read_memory(part["pid"]) if part["pid"] else 0
    off = read_power(home).off
    return state | {
        "kubeconfig": str(home.kubeconfig),
        "nodes": [node | {"on": node["name"] not in off} for node in nodes],
    }


async def _query(home: Home, urls: dict[str, str]) -> tuple[dict[str, bool], list[dict[str, Any]]]:
    healthy = await check_all(urls, build_context(home.pki))
    items: list[Object] = []
    with contextlib.suppress(ApiError):
        async with ApiClient(home.kubeconfig) as api:
            items = (await api.call("GET", "/api/v1/nodes"))["items"]
    ready = ready_nodes(items)
    names = [(item["metadata"]["name"], labels_of(item).get(ZONE_LABEL, "")) for item in items]
    return healthy, [{"name": name, "zone": zone, "ready": name in ready} for name, zone in names]


def _check_binaries(folder: Path | None) -> None:
    missing = [name for name in BINARIES if folder is not None and not os.access(folder / name, os.X_OK)]
    if missing:
        raise LocalError(
            f"--control-plane: {folder} lacks {', '.join(missing)};"
            " build them with `python tests/support/control_plane/build.py`"
        )

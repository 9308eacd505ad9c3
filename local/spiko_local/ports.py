"""Loopback ports of a local cluster: chosen at the first `up`, remembered in its plan."""

from __future__ import annotations

import contextlib
import errno
import itertools
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from random import Random

from spiko_local.components import Ports
from spiko_local.errors import LocalError

LOWEST, HIGHEST = 10_000, 30_000
# An abstract Unix socket: like the nodes' addresses it exists once per machine, and it ends with its process.
STARTING = "\0spiko-local-cluster-starting"
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def build_candidates(ephemeral: str, random: Random) -> list[int]:
    """Return ports to try, in random order: none that the kernel uses for outgoing connections.

    A restarted component must not find its port taken by a connection.

    Args:
        ephemeral: first and last port for outgoing connections, as the kernel writes them; empty if unknown.
        random: source of the order.

    >>> len(build_candidates("32768 60999", Random(1))), max(build_candidates("12000 60999", Random(1)))
    (20000, 11999)
    """
    first = int((ephemeral.split() or ["32768"])[0])
    candidates = list(range(LOWEST, max(LOWEST + 1000, min(first, HIGHEST))))
    random.shuffle(candidates)
    return candidates


def is_free(address: str, port: int) -> bool:
    """Return whether a server could listen there now.

    Raises:
        LocalError: listening fails for another reason than a server that listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise LocalError(f"{address}:{port}: cannot listen: {error.strerror}") from error
        return True


def find_ports(random: Random, remembered: Ports | None = None) -> Ports:
    """Return the remembered ports if all are free, else new ones.

    Args:
        random: source of new ones.
        remembered: of a cluster whose data were kept.

    Raises:
        LocalError: there are not enough free ports.
    """
    if remembered is not None and all(is_free("127.0.0.1", port) for port in astuple(remembered)):
        return remembered
    ephemeral = ""
    with contextlib.suppress(OSError):
        ephemeral = EPHEMERAL.read_text()
    free = (port for port in build_candidates(ephemeral, random) if is_free("127.0.0.1", port))
    found = list(itertools.islice(free, len(fields(Ports))))
    if len(found) < len(fields(Ports)):
        raise LocalError(
            f"127.0.0.1: no free ports from {LOWEST} to {HIGHEST}; stop some of the servers there"
        )
    return Ports(*found)


def check_addresses(addresses: Iterable[str], port: int) -> None:
    """Check that no other local cluster has the nodes' addresses, which are the same on every machine.

    Raises:
        LocalError: an address is taken.
    """
    for address in addresses:
        if not is_free(address, port):
            raise LocalError(
                f"{address}:{port} is taken, probably by another local cluster; only one can run per machine:"
                " stop it with `spiko down` and its SPIKO_HOME"
            )


@contextmanager
def only_start() -> Iterator[None]:
    """Be the only process of this machine that starts a local cluster.

    Raises:
        LocalError: another process starts one.
    """
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind(STARTING)
        except OSError as error:
            raise LocalError(
                "another local cluster is being started with another SPIKO_HOME; only one can run per"
                " machine: stop it with `spiko down` and its SPIKO_HOME"
            ) from error
        yield
